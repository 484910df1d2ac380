"""Grades what the store holds and keeps every grade as it comes: a run that is stopped goes on where it was."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from labelling.grade.grader import Answers, Grader
from labelling.prompts.prompt import Prompt
from labelling.store.store import Store


@dataclass
class Report:
    """Grades given in this run; `missing`: answers without a score, by reason."""

    graded: int = 0
    missing: Counter[str] = field(default_factory=Counter)


async def grade_all(store: Store, grader: Grader, concurrency: int = 8) -> Report:
    """Grades every answer that `grader` has not given a score yet, `concurrency` prompts at a time.

    Raises:
        GradingError: the grader cannot go on; the grades so far are kept.
    """
    report, work = Report(), _work(store, grader)

    async def worker() -> None:
        for prompt, answers in work:  # shared by all workers: each takes the next
            for key, grade in (await grader.grade(prompt, answers)).items():
                store.add_grade(key, grader.name, grade)
                report.graded += grade.score is not None
                if grade.reason is not None:
                    report.missing[grade.reason] += 1

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return report


def _work(store: Store, grader: Grader) -> Iterator[tuple[Prompt, Answers]]:
    """Prompts with the answers that are to be graded; all of a prompt's where they are compared."""
    done = store.graded(grader.name)
    for key, stored in groupby(store.answers(), key=lambda one: one.prompt):
        answers = {one.key: one.answer.text or "" for one in stored if one.answer.missing is None}
        fresh = {answer: text for answer, text in answers.items() if answer not in done}
        if fresh:
            yield store.prompt(key), answers if grader.compares else fresh
