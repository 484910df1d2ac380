import asyncio
import json
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.decision import Decision
from gateway.domain.query import RouteQuery
from gateway.errors import ScorerUnavailableError, SettingsError
from gateway.limits.query_budget import QueryBudget
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.routing.router import Router
from gateway.telemetry.decision_log import DecisionLog, query_hash
from gateway.telemetry.metrics import Metrics
from tests.support.fakes.scorer import BUNDLE, FakeScorer
from tests.support.waiting import until
from tests.unit.gateway.conftest import endpoints_file

QUERY = "a secret prompt, 秘密\nin two lines"


def asked(text: str = QUERY, request_id: str = "1") -> RouteQuery:
    return RouteQuery(text=text, rules=(), cost_weight=None, max_candidates=2, request_id=request_id)


def router(log: DecisionLog, metrics: Metrics, scorer: FakeScorer | None = None) -> Router:
    return Router(PoolRef(Pool(endpoints_file())), scorer or FakeScorer(), QueryBudget(100, 1), [log])


async def decide(router: Router, *queries: RouteQuery) -> list[Any]:
    deadline = asyncio.get_running_loop().time() + 3600
    return [await router.route(query, deadline) for query in queries]


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(path)]


def dropped(metrics: Metrics, cause: str) -> float:
    return metrics.registry.get_sample_value("routerdc_decision_log_dropped_total", {"cause": cause}) or 0.0


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "decisions.jsonl"


async def test_a_decision_is_a_line_without_the_query(path: Path, metrics: Metrics) -> None:
    with DecisionLog(path, metrics) as log:
        await decide(router(log, metrics), asked()._replace(caller="team"))
    (row,) = rows(path)
    assert (row["request_id"], row["caller"], row["llm"], row["reason"]) == ("1", "team", "beta", "routed")
    assert row["query_hash"] == query_hash(QUERY)
    assert [(c["llm"], c["score"], c["endpoint"]) for c in row["candidates"]] == [
        ("beta", 0.9, "http://beta.test/v1"),
        ("alpha", 0.5, "http://alpha.test/v1"),
    ]
    assert (row["bundle_id"], row["token_count"]) == (BUNDLE.bundle_id, len(QUERY))
    assert "secret" not in "".join(lines(path))


async def test_the_query_is_there_when_it_is_asked_for(path: Path, metrics: Metrics) -> None:
    with DecisionLog(path, metrics, with_queries=True) as log:
        await decide(router(log, metrics), asked())
    assert [row["question"] for row in rows(path)] == [QUERY]


async def test_rows_of_a_batch_are_logged_and_failed_ones_are_not(path: Path, metrics: Metrics) -> None:
    scorer = FakeScorer(faults={"bad": ZeroDivisionError(), "down": ScorerUnavailableError("down")})
    with DecisionLog(path, metrics) as log:
        queries = [asked(text, text) for text in ("good", "bad", "down")]
        await router(log, metrics, scorer).route_many(queries, asyncio.get_running_loop().time() + 3600)
    assert [(row["request_id"], row["reason"], row["bundle_id"]) for row in rows(path)] == [
        ("good", "routed", BUNDLE.bundle_id),
        ("down", "fallback", None),
    ]


async def test_a_rotated_file_is_opened_anew(path: Path, metrics: Metrics) -> None:
    with DecisionLog(path, metrics) as log:
        logged = router(log, metrics)
        await decide(logged, asked(request_id="old"))
        await until(lambda: rows(path))
        old = path.with_suffix(".1")
        os.rename(path, old)
        await decide(logged, asked(request_id="new"))
        await until(path.exists)
    assert [row["request_id"] for row in rows(old)] == ["old"]
    assert [row["request_id"] for row in rows(path)] == ["new"]


async def test_a_full_disk_costs_lines_and_no_call(metrics: Metrics, events: list[MutableMapping[str, Any]]) -> None:
    with DecisionLog(Path("/dev/full"), metrics) as log:
        decisions = await decide(router(log, metrics), *[asked()] * 5)
        assert all(isinstance(decision, Decision) for decision in decisions)
        await until(lambda: dropped(metrics, "write_failed") == 5)
    assert "No space left" in repr(events)


async def test_after_a_failed_write_lines_are_whole_again(path: Path, metrics: Metrics, monkeypatch: Any) -> None:

    write, fail = os.write, [True]

    def half(descriptor: int, content: Any) -> int:
        if fail and bytes(content).startswith(b"{"):
            fail.clear()
            write(descriptor, bytes(content)[:20])
            raise OSError(28, "No space left on device")
        return write(descriptor, content)

    with DecisionLog(path, metrics) as log:
        logged = router(log, metrics)
        monkeypatch.setattr(os, "write", half)
        await decide(logged, asked(request_id="lost"))
        await until(lambda: dropped(metrics, "write_failed"))
        await decide(logged, asked(request_id="kept"))
    _, kept = lines(path)
    assert json.loads(kept)["request_id"] == "kept"


async def test_a_writer_that_lags_costs_lines_and_never_waits(path: Path, metrics: Metrics) -> None:
    log = DecisionLog(path, metrics, max_queued_bytes=2000)  # its thread has not been started
    await decide(router(log, metrics), *[asked()] * 50)
    assert 0 < dropped(metrics, "queue_full") < 50
    with log:
        pass
    assert len(rows(path)) + dropped(metrics, "queue_full") == 50


def test_a_file_that_cannot_be_opened_is_said_at_start(metrics: Metrics) -> None:
    with pytest.raises(SettingsError, match=r"decision_log_file cannot be written: .*/nowhere/x"):
        DecisionLog(Path("/nowhere/x"), metrics)


async def test_lines_stay_whole_where_two_processes_share_the_file(path: Path, metrics: Metrics) -> None:
    with DecisionLog(path, metrics) as one, DecisionLog(path, metrics) as other:
        routers = [router(one, metrics), router(other, metrics)]
        for _ in range(100):
            await asyncio.gather(*(decide(each, asked()) for each in routers))
    assert len(rows(path)) == 200


def test_a_fifo_that_nobody_reads_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with pytest.raises(SettingsError, match="decision_log_file cannot be written"):
        DecisionLog(tmp_path / "log", Metrics())
