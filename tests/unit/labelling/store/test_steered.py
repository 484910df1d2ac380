"""Prompts that a plan has mixed up: the store keeps them, and their rows of the table say so."""

import json
from pathlib import Path

from labelling.prompts.prompt import Prompt
from labelling.store.records import Answer, Cell, Grade
from labelling.store.store import Store
from labelling.table.write import write_table


def test_rows_of_prompts_that_a_plan_has_mixed_up_say_so(tmp_path: Path) -> None:
    prompts = [Prompt(({"role": "user", "content": text},)) for text in ("plain", "chosen", "asked of all later")]
    with Store(tmp_path / "labels.db") as store:
        store.add_prompts(prompts)
        for prompt in prompts:
            cell = Cell(prompt.key, "one", "one", {})
            store.add_answer(cell, Answer(text="yes"))
            store.add_grade(cell.key, "people", Grade(1.0))
        store.set_steered({prompts[1].key, prompts[2].key})
        store.set_steered({prompts[1].key})
    with Store(tmp_path / "labels.db") as store:
        assert store.steered() == {prompts[1].key}
        write_table(tmp_path / "graded.jsonl", store)
    rows = map(json.loads, (tmp_path / "graded.jsonl").read_text(encoding="utf-8").splitlines())
    assert {row["question"]: row.get("steered") for row in rows} == {
        "plain": None, "chosen": True, "asked of all later": None,
    }  # fmt: skip
