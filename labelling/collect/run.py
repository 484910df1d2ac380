"""Asks all cells of a plan and keeps every answer as it comes.

Cells are asked in random order, so that whatever has been asked when a run ends is a fair sample, and so that the cost
so far forecasts the cost of all. Each LLM has workers of its own: a slow one holds up nobody else.
"""

import asyncio
import random
import signal
import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labelling.asking.asker import Asker, FatalError, Manner
from labelling.asking.budget import Budget, Reservation
from labelling.asking.costs import most_dollars
from labelling.collect.progress import Progress
from labelling.pool.endpoints import PoolFile
from labelling.store.records import Answer, Cell
from labelling.store.store import Store

FAILURES_IN_A_ROW = 20


@dataclass
class Report:
    """What a run came to. `not_asked`: cells left, by reason."""

    answered: int = 0
    missing: dict[str, int] = field(default_factory=dict)
    not_asked: dict[str, int] = field(default_factory=dict)
    spent_usd: float = 0.0


async def collect(
    cells: Iterable[tuple[str, str]],
    pool: PoolFile,
    store: Store,
    settings: Mapping[str, Any],
    *,
    max_usd: float | None = None,
    manner: Manner = Manner(),  # noqa: B008 - frozen
    retry_missing: bool = False,
) -> Report:
    """Asks (prompt key, LLM) cells that have no answer in `store` yet.

    SIGINT lets the calls that are in flight come to an end and asks no more; a second one gives them up.

    Args:
        settings: sent with every chat; `max_tokens` must be among them.
        max_usd: of everything this store has ever cost; None: no limit.
        retry_missing: ask again where an earlier call brought no answer.

    Raises:
        PoolError: a key is not there.
    """
    askers = {name: Asker(llm, manner) for name, llm in pool.llms.items()}
    todo = _todo(cells, askers, store.done(retry_missing=retry_missing), settings)
    budget = Budget(max_usd, store.spent_usd())
    run = _Run(store, budget, Progress(sum(map(len, todo.values())), budget), settings)
    try:
        await _supervised(
            run, [run.worker(askers[llm], queue) for llm, queue in todo.items() for _ in range(askers[llm].workers)]
        )
    finally:
        for asker in askers.values():
            await asker.close()
    return run.report(todo)


def _todo(
    cells: Iterable[tuple[str, str]], askers: Mapping[str, Asker], done: set[str], settings: Mapping[str, Any]
) -> dict[str, deque[Cell]]:
    """Cells to ask by LLM, shuffled the same way every time."""
    todo: dict[str, list[Cell]] = {name: [] for name in askers}
    for prompt, llm in cells:
        cell = Cell(prompt, llm, askers[llm].model, askers[llm].llm.settings(settings))
        if cell.key not in done:
            todo[llm].append(cell)
    for llm, queue in todo.items():
        random.Random(llm).shuffle(queue)  # noqa: S311
    return {llm: deque(queue) for llm, queue in todo.items()}


class _Run:
    def __init__(self, store: Store, budget: Budget, progress: Progress, settings: Mapping[str, Any]) -> None:
        self._store, self._budget, self._progress, self._settings = store, budget, progress, settings
        self._before = budget.spent
        self._stopped: dict[str, str] = {}
        self._in_a_row: dict[str, int] = {}
        self.interrupted = False

    async def worker(self, asker: Asker, queue: deque[Cell]) -> None:
        while queue and not self.interrupted and queue[0].llm not in self._stopped:
            cell = queue.popleft()
            if not await self._ask(asker, cell):
                queue.append(cell)

    async def _ask(self, asker: Asker, cell: Cell) -> bool:
        """Whether the cell is finished; else its LLM is asked no more."""
        messages = self._store.prompt(cell.prompt).messages
        reservation = Reservation(self._budget, most_dollars(asker.llm, messages, self._settings["max_tokens"]))
        if not await reservation.first():
            self._stopped[cell.llm] = "the budget is used up"
            return False
        self._store.begin(cell, reservation.most)
        try:
            answer = await asker.ask(messages, cell.settings, cell.key, reservation)
        except FatalError as error:
            self._stopped[cell.llm] = str(error)
            self._store.forget(cell)
            await reservation.settle(0.0)
            return False
        self._store.finish(cell.key, answer)
        await reservation.settle(answer.cost_usd or 0.0)
        self._count(cell.llm, answer)
        return True

    def _count(self, llm: str, answer: Answer) -> None:
        self._progress.add(answer)
        failed = answer.missing is not None and answer.missing.startswith("failed")
        self._in_a_row[llm] = self._in_a_row.get(llm, 0) + 1 if failed else 0
        if self._in_a_row[llm] >= FAILURES_IN_A_ROW:
            self._stopped.setdefault(llm, f"{FAILURES_IN_A_ROW} calls in a row failed, the last: {answer.missing}")

    def report(self, left: Mapping[str, Sequence[Cell]]) -> Report:
        self._progress.show()
        not_asked: dict[str, int] = {}
        for llm, queue in left.items():
            if queue:
                reason = f"{llm}: {self._stopped.get(llm, 'interrupted')}"
                not_asked[reason] = len(queue)
        missing = dict(self._progress.missing)
        answered = self._progress.done - sum(missing.values())
        return Report(answered, missing, not_asked, self._budget.spent - self._before)


async def _supervised(run: _Run, workers: Sequence[Any]) -> None:
    """Runs all workers; SIGINT asks them to stop, a second SIGINT cancels them."""
    tasks = [asyncio.ensure_future(worker) for worker in workers]

    def interrupt() -> None:
        if run.interrupted:
            for task in tasks:
                task.cancel()
        else:
            sys.stderr.write("\nwaiting for the calls in flight; once more gives them up\n")
        run.interrupted = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
