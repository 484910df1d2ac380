"""The table: JSON Lines that `routerdc train` reads, written whole from the store, and a file beside it.

A row is `{"question", "scores", "costs", "answer_tokens", "latency_ms", "graded_by", "missing"}`, each but the first an
object by LLM; `messages` too where the prompt is more than one user's text, and `domain` where it is known. `missing`
says why an LLM has no score. `"steered": true` stands where the grades have steered a plan, or it chose by such grades
whom to ask: such a row is no fair judge of a router. `TABLE.yaml` beside it says how far the graders agree with people.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from labelling.errors import GradingError
from labelling.prompts.prompt import Prompt
from labelling.store.records import Stored
from labelling.store.store import Store
from routerdc_contract.whole_file import whole_file, write_whole
from routerdc_contract.yaml_model import NotYamlError, parse_yaml

UNGRADED = "not graded"


@dataclass
class Written:
    """Rows and scores written; `missing`: answers without a score, by reason; `left_out`: prompts without any score."""

    rows: int = 0
    scores: int = 0
    left_out: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    graders: set[str] = field(default_factory=set)


def write_table(path: Path, store: Store) -> Written:
    """Writes the table and its sidecar; a reader finds the old table or the new one, never half of one.

    Raises:
        GradingError: no answer has a score; or where the sidecar belongs is another file (endpoints.yaml beside
            endpoints.jsonl, say). The table that is there stays.
    """
    sidecar = path.with_suffix(".yaml")
    _require_ours(sidecar)
    written = Written()
    with whole_file(path, private=True) as draft, draft.open("w", encoding="utf-8") as file:
        for row in _rows(store, written):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        if not written.rows:
            raise GradingError(f"{path}: not written, for no answer has a score{_reasons(written)}")
    _write_sidecar(sidecar, store, written.graders)
    return written


def _reasons(written: Written) -> str:
    counted = (f"{count:,} {reason}" for reason, count in written.missing.most_common(3))
    return f" ({'; '.join(counted)})" if written.missing else ": there is no answer"


def _rows(store: Store, written: Written) -> Iterator[dict[str, Any]]:
    steered = store.steered()
    for key, answers in groupby(store.answers(), key=lambda stored: stored.prompt):
        row = _row(store.prompt(key), list(answers), store, written)
        if key in steered:
            row["steered"] = True
        if row["scores"]:
            written.rows += 1
            written.scores += len(row["scores"])
            yield row
        else:
            written.left_out += 1


def _row(prompt: Prompt, answers: list[Stored], store: Store, written: Written) -> dict[str, Any]:
    row: dict[str, Any] = {"question": prompt.question}
    if len(prompt.messages) > 1 or not isinstance(prompt.messages[0].get("content"), str):
        row["messages"] = [dict(message) for message in prompt.messages]
    if prompt.domain is not None:
        row["domain"] = prompt.domain
    by_llm: dict[str, dict[str, Any]] = {name: {} for name in ("scores", "graded_by", "missing")}
    for stored in answers:
        _grade(stored, store, by_llm, written)
    measured: dict[str, dict[str, float | None]] = {
        "costs": {stored.llm: stored.answer.cost_usd for stored in answers},
        "answer_tokens": {stored.llm: stored.answer.answer_tokens for stored in answers},
        "latency_ms": {stored.llm: stored.answer.latency_ms for stored in answers},
    }
    known = {name: {llm: v for llm, v in values.items() if v is not None} for name, values in measured.items()}
    row |= {"scores": by_llm["scores"]} | {name: values for name, values in known.items() if values}
    return row | {name: by_llm[name] for name in ("graded_by", "missing") if by_llm[name]}


def _grade(stored: Stored, store: Store, by_llm: dict[str, dict[str, Any]], written: Written) -> None:
    grader, grade = store.grade_of(stored.key) or (None, None)
    if stored.answer.missing is None and grade is not None and grade.score is not None:
        by_llm["scores"][stored.llm], by_llm["graded_by"][stored.llm] = grade.score, grader
        written.graders.add(str(grader))
        return
    reason = stored.answer.missing or (grade.reason if grade else None) or UNGRADED
    by_llm["missing"][stored.llm] = reason
    written.missing[reason] += 1


def _require_ours(sidecar: Path) -> None:
    if not sidecar.exists():
        return
    try:
        content = parse_yaml(sidecar.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, NotYamlError):
        content = None
    if not isinstance(content, dict) or set(content) != {"metric", "grading"}:
        raise GradingError(f"{sidecar}: is another file, and the table's would take its place: choose another --out")


def _write_sidecar(path: Path, store: Store, graders: set[str]) -> None:
    agreements = {grader: content for grader, content in store.agreements().items() if grader in graders}
    if not agreements:
        path.unlink(missing_ok=True)
        return
    write_whole(path, yaml.safe_dump({"metric": "pass_rate", "grading": agreements}, sort_keys=True))
