"""The table is written whole from the store, or the one that is there stays."""

from pathlib import Path

import pytest

from labelling.errors import GradingError
from labelling.prompts.prompt import Prompt
from labelling.store.records import Answer, Cell
from labelling.store.store import Store
from labelling.table.write import write_table


def test_a_store_without_a_grade_replaces_no_table(tmp_path: Path) -> None:
    (table := tmp_path / "graded.jsonl").write_text("of yesterday")
    prompt = Prompt(({"role": "user", "content": "Why?"},))
    with Store(tmp_path / "labels.db") as store:
        with pytest.raises(GradingError, match="no answer has a score: there is no answer"):
            write_table(table, store)
        store.add_prompts([prompt])
        store.add_answer(Cell(prompt.key, "one", "one", {}), Answer(text="yes"))
        with pytest.raises(GradingError, match=r"no answer has a score \(1 not graded\)"):
            write_table(table, store)
    assert table.read_text() == "of yesterday"
    assert [path.name for path in tmp_path.glob("*graded*")] == ["graded.jsonl"]
