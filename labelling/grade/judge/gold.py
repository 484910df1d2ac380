"""Gold: answers that people have graded, and how far a grader agrees with them."""

import csv
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from labelling.errors import GradingError
from labelling.grade.judge.bias import Bias, length_bias, self_preference
from labelling.grade.judge.kappa import Kappa, kappa
from labelling.prompts.prompt import text_of
from labelling.store.records import Stored
from labelling.store.store import Store

FEWEST_ROWS = 30
ENOUGH_KAPPA = 0.6
LONGEST_CELL = 1 << 28  # conversations are long
_FIELDS = ["answer_id", "conversation", "reference", "answer", "score"]


def write_sample(path: Path, store: Store, count: int) -> int:
    """Writes answers for people to grade, drawn so that each LLM has about as many; returns how many.

    The file is private (0600), says nothing of the LLMs, and wants a number from 0 to 1 in its column `score`.

    Raises:
        GradingError: the file is there already, and may hold grades.
    """
    if path.exists():
        raise GradingError(f"{path}: is there already; grade it, or name another file")
    by_llm: dict[str, list[Stored]] = {}
    for stored in store.answers():
        if stored.answer.missing is None:
            by_llm.setdefault(stored.llm, []).append(stored)
    draw = random.Random(0)  # noqa: S311
    turns = [draw.sample(answers, len(answers)) for answers in by_llm.values()]
    longest = max(map(len, turns), default=0)
    chosen = [turn[place] for place in range(longest) for turn in turns if place < len(turn)][:count]
    draw.shuffle(chosen)
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline=""
    ) as file:
        writer = csv.DictWriter(file, _FIELDS)
        writer.writeheader()
        writer.writerows(_row(stored, store) for stored in chosen)
    return len(chosen)


def _row(stored: Stored, store: Store) -> dict[str, Any]:
    prompt = store.prompt(stored.prompt)
    turns = "\n\n".join(f"{m['role']}: {text_of(m.get('content'))}" for m in prompt.messages)
    reference = "" if prompt.reference is None else str(prompt.reference)
    texts = [stored.key, turns, _no_formula(reference), _no_formula(stored.answer.text or ""), ""]
    return dict(zip(_FIELDS, texts, strict=True))


def _no_formula(text: str) -> str:
    """A spreadsheet computes what begins like a formula, and an LLM has written it: an apostrophe makes it a text."""
    if not text.startswith(("=", "+", "-", "@", "\t", "\r")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def read_gold(path: Path) -> dict[str, float]:
    """People's scores by answer; rows that nobody has graded are left out.

    Raises:
        GradingError: it cannot be read, a score is no number from 0 to 1, an answer is graded in two ways, or too few
            rows are graded.
    """
    gold: dict[str, float] = {}
    try:
        csv.field_size_limit(LONGEST_CELL)
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line, key, cell in _graded_rows(path, file):
                score = _score(path, line, cell)
                if gold.setdefault(key, score) != score:
                    raise GradingError(f"{path}:{line}: an earlier row grades the same answer otherwise")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GradingError(f"{path}: cannot be read: {error}") from None
    if len(gold) < FEWEST_ROWS:
        raise GradingError(f"{path}: {len(gold)} rows have a score; grade at least {FEWEST_ROWS}, better 50 to 100")
    return gold


def _graded_rows(path: Path, file: TextIO) -> Iterator[tuple[int, str, str]]:
    """(line, answer, score as it is written) of the rows with a score; spreadsheets may have changed the separator."""
    header = file.readline()
    file.seek(0)
    reader = csv.DictReader(file, delimiter=max(",;\t", key=header.count))
    if missing := [name for name in ("answer_id", "score") if name not in (reader.fieldnames or ())]:
        raise GradingError(f"{path}: no column {' and no column '.join(missing)}: keep those that --gold-sample wrote")
    for row in reader:
        if cell := (row["score"] or "").strip():
            if not (key := (row["answer_id"] or "").strip()):
                raise GradingError(f"{path}:{reader.line_num}: a score without an answer_id")
            yield reader.line_num, key, cell


def _score(path: Path, line: int, cell: str) -> float:
    try:
        score = float(cell.replace(",", "."))
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise GradingError(f"{path}:{line}: score: must be a number from 0 (wrong) to 1 (right)")
    return score


@dataclass(frozen=True)
class Agreement:
    """A grader compared with people. `self_preference` is None where the grader is no LLM of the pool."""

    kappa: Kappa
    length_bias: Bias
    self_preference: Bias | None

    @property
    def enough(self) -> bool:
        """Whether the grades can be trusted."""
        return self.kappa.value >= ENOUGH_KAPPA

    def summary(self) -> dict[str, Any]:
        """What the table and the bundle's card keep: figures only."""
        rounded = {name: round(value, 3) for name, value in asdict(self.kappa).items()}
        return {"kappa": rounded.pop("value"), **rounded, "length_bias": round(self.length_bias.value, 3)}


def agreement(store: Store, grader: str, gold: Mapping[str, float], judge_model: str | None) -> Agreement:
    """Compares a grader with people on the answers that both have graded.

    Raises:
        GradingError: too few of them.
    """
    rows = []
    for stored in store.answers():
        score = store.score(stored.key, grader)
        if stored.key in gold and score is not None:
            rows.append((gold[stored.key], score, len(stored.answer.text or ""), stored.model == judge_model))
    if len(rows) < FEWEST_ROWS:
        raise GradingError(
            f"--gold: only {len(rows)} of its {len(gold)} answers have a grade of {grader} in this store"
        )
    people, grades, lengths, own = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return Agreement(
        kappa(people, grades),
        length_bias(people, grades, lengths),
        self_preference(people, grades, own.astype(np.bool_)),
    )
