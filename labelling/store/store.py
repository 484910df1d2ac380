"""The store: what was asked, answered and graded. Every call is noted before it is made and when it has ended.

A call that is noted as asked and has no answer was cut off by a crash. It is made again, and what it may have cost
stays booked: `spent_usd` is never too small.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from labelling.errors import StoreError
from labelling.prompts.prompt import Prompt, canonical
from labelling.store.lock import only_writer
from labelling.store.records import Answer, Cell, Grade, Stored
from labelling.store.schema import connect

_ANSWER = "text, reason, prompt_tokens, answer_tokens, latency_ms, cost_usd, attempts"


class Store:
    """An open store; one process writes at a time."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file.

        Raises:
            StoreError: it is no store, or another process has it open.
        """
        self.path = path
        self._lock = only_writer(path)
        self._db = connect(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        """Closes the file.

        Raises:
            StoreError: the block ended because the file could not be read or written (a full disk, say).
        """
        self._db.close()
        self._lock.close()
        if isinstance(error, sqlite3.Error):
            raise StoreError(f"{self.path}: {error}") from None

    def add_prompts(self, prompts: Iterable[Prompt]) -> None:
        """Keeps prompts; what is known of the right answer is updated."""
        rows = (
            (p.key, canonical(list(map(dict, p.messages))), p.question, _json(p.reference), _unicode(p.domain))
            for p in prompts
        )
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT INTO prompts VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
            " reference = coalesce(excluded.reference, reference), domain = coalesce(excluded.domain, domain)",
            rows,
        )
        self._db.execute("COMMIT")

    def prompts(self) -> Iterator[Prompt]:
        """All prompts, sorted by key."""
        for row in self._db.execute("SELECT messages, reference, domain FROM prompts ORDER BY key"):
            yield _prompt(*row)

    def prompt(self, key: str) -> Prompt:
        """The prompt with this key.

        Raises:
            KeyError: there is none.
        """
        row = self._db.execute("SELECT messages, reference, domain FROM prompts WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        return _prompt(*row)

    def steered(self) -> set[str]:
        """Keys of the prompts whose grades have steered a plan, or whose LLMs it chose by such grades."""
        return {key for (key,) in self._db.execute("SELECT prompt FROM steered")}

    def set_steered(self, keys: Iterable[str]) -> None:
        """Keeps which prompts these are, in place of what was kept before."""
        self._db.execute("BEGIN")
        self._db.execute("DELETE FROM steered")
        self._db.executemany("INSERT INTO steered VALUES (?)", ((key,) for key in keys))
        self._db.execute("COMMIT")

    def done(self, *, retry_missing: bool = False) -> set[str]:
        """Keys of the cells that need no call: answered ones, and missing ones unless these are to be tried again."""
        states = ("answered",) if retry_missing else ("answered", "missing")
        marks = ", ".join("?" * len(states))
        return {key for (key,) in self._db.execute(f"SELECT key FROM answers WHERE state IN ({marks})", states)}  # noqa: S608

    def spent_usd(self) -> float:
        """Dollars that all calls of this store have cost, or can at most have cost where nobody knows."""
        total = "SELECT total(coalesce(cost_usd, 0) + lost_usd + iif(state = 'asked', reserved_usd, 0)) FROM answers"
        verdicts = "SELECT total(usd) FROM spending"
        return float(self._db.execute(total).fetchone()[0]) + float(self._db.execute(verdicts).fetchone()[0])

    def book(self, what: str, usd: float) -> None:
        """Adds dollars that were spent on something else than answers (a judge's verdicts)."""
        self._db.execute(
            "INSERT INTO spending VALUES (?, ?) ON CONFLICT (what) DO UPDATE SET usd = usd + ?", (what, usd, usd)
        )

    def begin(self, cell: Cell, reserved_usd: float) -> None:
        """Notes that `cell` is about to be asked and may cost `reserved_usd`."""
        self._db.execute(
            "INSERT INTO answers (key, prompt, llm, model, state, reserved_usd, at) VALUES (?, ?, ?, ?, 'asked', ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET state = 'asked', at = excluded.at,"
            " lost_usd = lost_usd + coalesce(cost_usd, 0) + iif(state = 'asked', reserved_usd, 0), cost_usd = NULL,"
            " reserved_usd = excluded.reserved_usd",
            (cell.key, cell.prompt, cell.llm, cell.model, reserved_usd, time.time()),
        )

    def forget(self, cell: Cell) -> None:
        """Takes back `begin` for a call that the server has refused outright, so that it is made another day."""
        self._db.execute("UPDATE answers SET reserved_usd = 0 WHERE key = ? AND state = 'asked'", (cell.key,))

    def finish(self, key: str, answer: Answer) -> None:
        """Keeps what came of a call."""
        state = "missing" if answer.missing else "answered"
        self._db.execute(
            "UPDATE answers SET state = ?, reason = ?, text = ?, prompt_tokens = ?, answer_tokens = ?, latency_ms = ?,"
            " cost_usd = ?, attempts = ?, at = ? WHERE key = ?",
            (state, answer.missing, _unicode(answer.text), answer.prompt_tokens, answer.answer_tokens,
             answer.latency_ms, answer.cost_usd, answer.attempts, time.time(), key),
        )  # fmt: skip

    def answers(self, prompt: str | None = None) -> Iterator[Stored]:
        """The newest answer (or missing one) for each prompt and LLM, by prompt; or for one prompt alone."""
        where = "state != 'asked'" if prompt is None else "state != 'asked' AND prompt = ?"
        query = f"SELECT key, prompt, llm, model, {_ANSWER}, max(at) FROM answers WHERE {where} GROUP BY prompt, llm"  # noqa: S608
        for key, of, llm, model, *answer, _ in self._db.execute(query, () if prompt is None else (prompt,)):
            yield Stored(key, of, llm, model, Answer(*answer))

    def models(self) -> set[str]:
        """Names of all models that were asked."""
        return {model for (model,) in self._db.execute("SELECT DISTINCT model FROM answers")}

    def add_answer(self, cell: Cell, answer: Answer) -> None:
        """Keeps an answer that was not asked for here (imported): what it cost is known, and was not spent here."""
        self.begin(cell, 0.0)
        self.finish(cell.key, answer)
        self._db.execute("UPDATE answers SET lost_usd = -coalesce(cost_usd, 0) WHERE key = ?", (cell.key,))

    def graded(self, grader: str) -> set[str]:
        """Keys of the answers that `grader` has graded."""
        return {
            key
            for (key,) in self._db.execute(
                "SELECT answer FROM grades WHERE grader = ? AND score IS NOT NULL", (grader,)
            )
        }

    def add_grade(self, answer: str, grader: str, grade: Grade) -> None:
        """Keeps one grade; a grader's later grade replaces its earlier one."""
        self._db.execute(
            "INSERT OR REPLACE INTO grades VALUES (?, ?, ?, ?, ?)",
            (answer, grader, grade.score, grade.reason, time.time()),
        )

    def grade_of(self, answer: str) -> tuple[str, Grade] | None:
        """The newest grade of an answer and its grader; one with a score goes before one without."""
        row = self._db.execute(
            "SELECT grader, score, reason FROM grades WHERE answer = ? ORDER BY score IS NULL, at DESC LIMIT 1",
            (answer,),
        ).fetchone()
        return None if row is None else (row[0], Grade(row[1], row[2]))

    def score(self, answer: str, grader: str) -> float | None:
        """A grader's score of an answer."""
        query = "SELECT score FROM grades WHERE answer = ? AND grader = ?"
        row = self._db.execute(query, (answer, grader)).fetchone()
        return None if row is None else row[0]

    def add_agreement(self, grader: str, content: dict[str, Any]) -> None:
        """Keeps how far `grader` agrees with people."""
        self._db.execute("INSERT OR REPLACE INTO agreements VALUES (?, ?)", (grader, json.dumps(content)))

    def agreements(self) -> dict[str, dict[str, Any]]:
        """How far each grader that was compared with people agrees with them."""
        return {grader: json.loads(content) for grader, content in self._db.execute("SELECT * FROM agreements")}


def _prompt(messages: str, reference: str | None, domain: str | None) -> Prompt:
    return Prompt(tuple(json.loads(messages)), None if reference is None else json.loads(reference), domain)


def _json(value: Any) -> str | None:
    return None if value is None else _unicode(canonical(value))


def _unicode(text: str | None) -> str | None:
    """With a question mark for half of a surrogate pair, which JSON can hold and no file can."""
    return None if text is None else text.encode("utf-8", "replace").decode()
