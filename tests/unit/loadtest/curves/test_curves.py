"""Recording curves: from a service to the JSON that the report reads."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from loadtest.curves import report
from loadtest.curves.__main__ import Recorder
from loadtest.curves.targets import CurveTarget, Entrance
from loadtest.open_loop.generator import CallError, Target
from loadtest.requests import messages


class RefusesMoreThanFour:
    """Answers after 5 ms, and four at a time only."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.queries = list[bytes]()

    async def send(self, request: bytes, timeout_seconds: float) -> bytes:
        self.queries.append(request)
        if self.in_flight == 4:
            raise CallError("RESOURCE_EXHAUSTED")
        self.in_flight += 1
        await asyncio.sleep(0.005)
        self.in_flight -= 1
        return request

    def problem(self, answer: bytes) -> str:
        return ""


def test_what_is_recorded_can_be_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = RefusesMoreThanFour()

    @asynccontextmanager
    async def connect() -> AsyncIterator[Target]:
        yield service

    @contextmanager
    def start(folder: Path, repository: Path) -> Iterator[Entrance]:
        yield Entrance(connect)

    (tmp_path / "routerdc").mkdir()
    (tmp_path / "routerdc" / "export.json").write_text('{"bundle_id": "abc", "inputs": {"target": "onnxruntime"}}')
    monkeypatch.setattr("loadtest.curves.__main__._WARM_UP_SECONDS", 0.05)
    monkeypatch.setattr("loadtest.curves.__main__._START_RATE", 200.0)
    monkeypatch.setattr("loadtest.curves.__main__._FEWEST_REQUESTS", 10)
    recorder = Recorder(1000, shortest_seconds=0.1, console=Console(file=StringIO()))
    curve = json.loads(json.dumps(recorder.record("four", CurveTarget("four", messages.route, start), tmp_path)))
    assert curve["served"] == "bundle abc, engine onnxruntime"
    refused = [point for point in curve["points"] if not point["within_goal"]]
    assert refused
    assert all(set(point["errors"]) == {"RESOURCE_EXHAUSTED"} for point in refused)
    assert all(point["latency_ms"]["p99"] is None for point in refused)
    assert len(set(service.queries)) == len(service.queries)  # nothing comes from a cache
    assert "| four |" in report.markdown([curve])
