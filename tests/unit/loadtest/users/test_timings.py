"""Timings: percentiles to 2 %, nothing lost on the way from workers, a CSV that says what is what."""

import csv
import json
import random
from pathlib import Path

import pytest

from loadtest.users.timings import CLIENT, Timings, write_csv
from routerdc_contract.v1 import router_pb2 as pb


def test_percentiles_are_right_to_two_percent_from_microseconds_to_seconds() -> None:
    timings, draws = Timings(), random.Random(1)
    took = sorted(round(draws.lognormvariate(14, 2)) for _ in range(20_000))
    for nanoseconds in took:
        timings.add("Route", CLIENT, nanoseconds)
    row = next(timings.rows())
    assert row.calls == 20_000
    for share, value in ((0.5, row.p50_ms), (0.95, row.p95_ms), (0.99, row.p99_ms), (0.999, row.p999_ms)):
        assert value == pytest.approx(took[int(share * 20_000)] / 1e6, rel=0.02)
    assert row.max_ms == pytest.approx(took[-1] / 1e6, rel=0.02)


def test_what_workers_send_adds_up_on_the_master() -> None:
    workers, master, alone = [Timings(), Timings()], Timings(), Timings()
    for number in range(1, 1001):
        for timings in (workers[number % 2], alone):
            timings.add("Route", CLIENT, number * 1_000_000)
    for worker in (*workers, workers[0]):  # the third report has nothing new
        master.merge(worker.taken())
    assert list(master.rows()) == list(alone.rows())


def test_stages_that_did_not_take_place_are_not_counted() -> None:
    timings = Timings()
    timings.add_stages("Route", pb.StageTimings(total_ns=2_000_000, policy_ns=10_000))
    assert {(row.stage, row.calls) for row in timings.rows()} == {("gateway total", 1), ("policy", 1)}


def test_the_caller_stands_before_the_stages_in_the_csv(tmp_path: Path) -> None:
    timings = Timings()
    timings.add_stages(
        "Route", pb.StageTimings(total_ns=2_000_000, queue_ns=1_000, score_ns=1_500_000, policy_ns=9_000)
    )
    timings.add("Route", CLIENT, 3_000_000)
    write_csv(tmp_path / "timings.csv", timings)
    with (tmp_path / "timings.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["stage"] for row in rows] == [CLIENT, "gateway queue", "gateway total", "policy", "scorer round trip"]
    assert float(rows[0]["p50_ms"]) == pytest.approx(3, rel=0.02)


def test_what_is_sent_to_the_master_is_plain_data() -> None:
    timings = Timings()
    timings.add("Route", CLIENT, 5)
    assert json.dumps(timings.taken())
