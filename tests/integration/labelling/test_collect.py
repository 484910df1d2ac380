"""Asking the pool: against stand-ins over real HTTP."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from labelling.asking.asker import Manner
from labelling.asking.budget import Budget, Reservation
from labelling.collect.estimate import estimate, habits
from labelling.collect.run import Report, collect
from labelling.pool.endpoints import PoolFile, read_pool
from labelling.prompts.prompt import Prompt
from labelling.standins.tasks import prompts as tasks
from labelling.store.store import Store
from tests.support.fakes.standins import Served, served

SETTINGS = {"max_tokens": 50}


def chats(count: int) -> list[Prompt]:
    return [Prompt(({"role": "user", "content": text},), domain=kind) for text, kind in tasks(count)]


async def ask(store: Store, pool: PoolFile, count: int, max_usd: float | None = None, **manner: float) -> Report:
    found = chats(count)
    store.add_prompts(found)
    cells = [(prompt.key, llm) for prompt in found for llm in pool.llms]
    return await collect(cells, pool, store, SETTINGS, max_usd=max_usd, manner=Manner(**manner))  # type: ignore[arg-type]


async def test_every_llm_answers_every_prompt_once_and_a_second_run_asks_nobody(tmp_path: Path) -> None:
    async with served(tmp_path) as standins:
        with Store(tmp_path / "labels.db") as store:
            first = await ask(store, standins.pool, 12)
            second = await ask(store, standins.pool, 12)
            answers = list(store.answers())
    assert (first.answered, second.answered) == (60, 0)
    assert len(answers) == 60
    assert set(standins.state.answered.values()) == {1}
    assert all(s.answer.text and s.answer.answer_tokens and s.answer.latency_ms and s.answer.cost_usd for s in answers)
    assert first.spent_usd == pytest.approx(sum(stored.answer.cost_usd or 0 for stored in answers))


def test_the_store_is_private(tmp_path: Path) -> None:
    path = tmp_path / "labels.db"
    path.touch(0o644)
    with Store(path):
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == dict.fromkeys(modes, 0o600)


@pytest.mark.parametrize(("status", "headers"), [(429, {"Retry-After": "0.05"}), (503, {}), (500, {})])
async def test_a_busy_server_is_asked_again(tmp_path: Path, status: int, headers: dict[str, str]) -> None:
    async with served(tmp_path) as standins:
        standins.state.faults.statuses, standins.state.faults.headers = [status], headers
        with Store(tmp_path / "labels.db") as store:
            report = await ask(store, standins.pool.only(("almanac",)), 1)
            answer = next(store.answers()).answer
    assert (report.answered, answer.attempts) == (1, 2)


@pytest.mark.parametrize(("status", "charges"), [(504, 2), (502, 2), (500, 1)])
async def test_what_a_proxy_has_not_let_through_may_have_been_charged(
    tmp_path: Path, status: int, charges: int
) -> None:
    async with served(tmp_path) as standins:
        standins.state.faults.statuses = [status]
        with Store(tmp_path / "labels.db") as store:
            report = await ask(store, standins.pool.only(("almanac",)), 1, max_usd=1.0)
            answer = next(store.answers()).answer
    once = 0.3e-6 * ((answer.prompt_tokens or 0) + (answer.answer_tokens or 0))
    assert (answer.attempts, answer.missing) == (2, None)
    assert (report.spent_usd > 1.5 * once) == (charges == 2)


async def test_parameters_of_live_traffic_change_neither_number_nor_form_of_answers(tmp_path: Path) -> None:
    async with served(tmp_path) as standins:
        llm = standins.pool.llms["almanac"]
        parameters = {"n": 5, "best_of": 7, "stream": True, "max_completion_tokens": 9_000, "top_p": 0.5}
        pool = PoolFile(llms={"almanac": llm.model_copy(update={"parameters": parameters})})
        with Store(tmp_path / "labels.db") as store:
            report = await ask(store, pool, 1)
        (body,) = standins.state.bodies
    assert report.answered == 1
    assert set(body) == {"model", "messages", "max_tokens", "top_p"}
    assert body["max_tokens"] == SETTINGS["max_tokens"]


async def test_retry_after_holds_back_the_whole_endpoint(tmp_path: Path) -> None:
    async with served(tmp_path) as standins:
        standins.state.faults.statuses, standins.state.faults.headers = [429], {"Retry-After": "0.5"}
        with Store(tmp_path / "labels.db") as store:
            begun = time.monotonic()
            await ask(store, standins.pool.only(("almanac",)), 3, concurrency=1)
    assert time.monotonic() - begun >= 0.5


async def test_a_wrong_key_stops_its_llm_and_marks_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as standins:
        standins.state.faults.statuses = [401] * 8
        with Store(tmp_path / "labels.db") as store:
            report = await ask(store, standins.pool.only(("almanac",)), 30)
            again = await ask(store, standins.pool.only(("almanac",)), 30)
    assert report.answered == 0
    assert report.not_asked == {"almanac: failed: HTTP 401": 30}
    assert again.answered == 30


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "cut by max_tokens"), ("content_filter", "refused by a filter")]
)
async def test_an_answer_that_was_cut_or_refused_is_missing_and_paid_for(
    tmp_path: Path, finish: str, reason: str
) -> None:
    async with served(tmp_path) as standins:
        standins.state.faults.finish_reason = finish
        with Store(tmp_path / "labels.db") as store:
            report = await ask(store, standins.pool.only(("almanac",)), 4)
            again = await ask(store, standins.pool.only(("almanac",)), 4)
    assert report.missing == {reason: 4}
    assert report.spent_usd > 0
    assert again.missing == {}


async def test_keys_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(tmp_path) as standins:
        path = tmp_path / "endpoints.yaml"
        path.write_text(path.read_text().replace("model: almanac", "model: almanac\n      api_key_env: OUR_KEY"))
        monkeypatch.setenv("OUR_KEY", "secret-1")
        with Store(tmp_path / "labels.db") as store:
            await ask(store, read_pool(path).only(("almanac",)), 1)
    assert standins.state.keys == ["Bearer secret-1"]


async def test_an_llms_own_parameters_are_sent_and_make_another_answer(tmp_path: Path) -> None:
    async with served(tmp_path) as standins:
        path = tmp_path / "endpoints.yaml"
        with Store(tmp_path / "labels.db") as store:
            await ask(store, standins.pool.only(("almanac",)), 1)
            path.write_text(
                path.read_text().replace("  almanac:", "  almanac:\n    parameters: {seed: 7, max_tokens: 9}")
            )
            report = await ask(store, read_pool(path).only(("almanac",)), 1)
    assert report.answered == 1
    assert [(body["max_tokens"], body.get("seed")) for body in standins.state.bodies] == [(50, None), (50, 7)]


async def test_the_budget_is_never_exceeded(tmp_path: Path) -> None:
    limit = 0.00006
    async with served(tmp_path) as standins:
        with Store(tmp_path / "labels.db") as store:
            report = await ask(store, standins.pool, 20, max_usd=limit)
            spent = store.spent_usd()
    assert 0 < report.answered < 100
    assert sum(report.not_asked.values()) == 100 - report.answered
    assert spent <= limit


async def test_no_run_of_a_thousand_exceeds_its_budget() -> None:
    for seed in range(1000):
        draw = random.Random(seed)
        budget = Budget(limit := draw.uniform(0.5, 5.0))

        async def call(budget: Budget = budget, draw: random.Random = draw) -> None:
            reservation = Reservation(budget, most := draw.uniform(0.01, 1.0))
            if not await reservation.first():
                return
            await asyncio.sleep(0)
            lost = most if draw.random() < 0.2 and await reservation.again() else 0.0
            await reservation.settle(lost + draw.uniform(0.0, most))

        await asyncio.gather(*(call() for _ in range(20)))
        assert budget.spent <= limit + 1e-12, seed


async def test_once_a_few_have_answered_the_estimate_is_within_a_fifth_of_what_is_spent(tmp_path: Path) -> None:
    async with served(tmp_path) as standins:
        with Store(tmp_path / "labels.db") as store:
            await ask(store, standins.pool, 12)
            rest = chats(72)[12:]
            cells = [(prompt, llm) for prompt in rest for llm in standins.pool.llms]
            expected = estimate(cells, standins.pool, habits(store, standins.pool.llms), SETTINGS["max_tokens"])
            report = await ask(store, standins.pool, 72)
    assert expected.assumed == ()
    assert expected.expected_usd == pytest.approx(report.spent_usd, rel=0.2)
    assert expected.most_usd > report.spent_usd


async def test_after_kill_nine_no_answer_is_lost_and_no_answered_call_is_made_again(tmp_path: Path) -> None:
    async with served(tmp_path) as standins:
        standins.state.faults.delay_seconds = 0.02
        kept: set[tuple[str, str]] = set()
        for answered in (5, 150):
            before = Counter(standins.state.answered)
            await _kill_in_the_middle(tmp_path, standins, signal.SIGKILL, answered)
            assert [cell for cell in kept if standins.state.answered[cell] > before[cell]] == []
            with Store(tmp_path / "labels.db") as store:
                now = {(s.llm, store.prompt(s.prompt).question) for s in store.answers()}
            assert kept <= now
            assert len(now) < 300
            kept = now
        before = Counter(standins.state.answered)
        with Store(tmp_path / "labels.db") as store:
            await ask(store, standins.pool, 60)
            assert sum(1 for _ in store.answers()) == 300
    assert kept
    assert [cell for cell in kept if standins.state.answered[cell] > before[cell]] == []


async def test_an_interrupt_repeats_no_call_at_all(tmp_path: Path) -> None:
    async with served(tmp_path) as standins:
        standins.state.faults.delay_seconds = 0.02
        await _kill_in_the_middle(tmp_path, standins, signal.SIGINT, 40)
        with Store(tmp_path / "labels.db") as store:
            assert 0 < (kept := sum(1 for _ in store.answers())) < 300
            assert kept == sum(standins.state.answered.values())
            await ask(store, standins.pool, 60)
    assert set(standins.state.answered.values()) == {1}


async def _kill_in_the_middle(folder: Path, standins: Served, how: signal.Signals, answered: int) -> None:
    from labelling.commands.stand_ins import _write_prompts

    _write_prompts(folder / "prompts.jsonl", 60)
    command = [
        "-c",
        "from cli.command import main; main()",
        "collect",
        str(folder / "prompts.jsonl"),
        "--endpoints",
        str(folder / "endpoints.yaml"),
    ]
    options = ["--store", str(folder / "labels.db"), "--concurrency", "4", "--max-tokens", "50"]
    process = subprocess.Popen([sys.executable, *command, *options], stderr=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: ASYNC220
    while sum(standins.state.answered.values()) < answered:
        assert process.poll() is None, process.communicate()
        await asyncio.sleep(0.01)
    os.kill(process.pid, how)
    out, err = await asyncio.to_thread(process.communicate)
    assert b"Calculate" not in out + err  # nothing of a prompt is printed
