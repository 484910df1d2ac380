"""Locust on the whole stack: every kind of user, several processes, failures told by code. What comes in seconds is
counted, so nothing runs beside them.
"""

from pathlib import Path

from tests.e2e.conftest import Stack
from tests.e2e.stack.locust_run import locust, rows


def test_every_kind_of_user_is_answered_and_timed_stage_by_stage(stack: Stack, tmp_path: Path) -> None:
    small = ("--batch-queries=4", "--stream-queries=8", "--stream-in-flight=3", "--think-seconds=0.1")
    run = locust(stack, tmp_path, "--users=12", "--spawn-rate=12", "--run-time=6s", *small)
    assert run.returncode == 0, run.stdout + run.stderr
    calls = {row["Name"]: int(row["Request Count"]) for row in rows(tmp_path / "run_stats.csv")}
    asked = {"Route", "RouteBatch (4)", "RouteStream", "ModelInfer", "chat", "time to first token"}
    assert asked <= set(calls)
    timed = {(row["request"], row["stage"]): row for row in rows(tmp_path / "run_timings.csv")}
    assert asked == {request for request, stage in timed if stage == "client"}
    for request in ("Route", "RouteBatch (4)", "RouteStream"):
        assert {"gateway total", "policy", "scorer round trip"} <= {stage for name, stage in timed if name == request}
    # Locust writes its own CSV once a second, and not at the end.
    assert calls["Route"] <= int(timed["Route", "client"]["calls"]) < 2 * calls["Route"]
    assert float(timed["Route", "gateway total"]["p50_ms"]) < float(timed["Route", "client"]["p50_ms"])
    assert 'id="timings"' in (tmp_path / "report.html").read_text()


def test_two_processes_share_the_users_and_their_timings_add_up(stack: Stack, tmp_path: Path) -> None:
    run = locust(stack, tmp_path, "RouteUser", "--processes=2", "--users=4", "--spawn-rate=4", "--run-time=4s")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 workers connected" in run.stderr
    (total,) = (row for row in rows(tmp_path / "run_stats.csv") if row["Name"] == "Route")
    timed = {row["stage"]: row for row in rows(tmp_path / "run_timings.csv")}
    assert int(timed["client"]["calls"]) == int(timed["gateway total"]["calls"]) >= int(total["Request Count"]) > 20


def test_workers_take_the_masters_settings(stack: Stack, tmp_path: Path) -> None:
    one_popular = ("--repeat-share=1", "--popular-queries=1", "--run-time=4s")
    run = locust(stack, tmp_path, "RouteUser", "--processes=2", "--users=2", "--spawn-rate=2", *one_popular)
    assert run.returncode == 0, run.stdout + run.stderr
    timed = {row["stage"]: row for row in rows(tmp_path / "run_timings.csv")}
    scored = int(timed["scorer round trip"]["calls"]) if "scorer round trip" in timed else 0
    assert scored <= 4  # one query, asked by both at the same time at first; then the cache has it
    assert int(timed["client"]["calls"]) > 50


def test_failures_are_told_by_status_code(stack: Stack, tmp_path: Path) -> None:
    nobody = ("--gateway-address=127.0.0.1:1", "--openai-url=http://127.0.0.1:1/v1", "--think-seconds=0.2")
    users = (
        "RouteUser",
        "RouteStreamUser",
        "OpenAiUser",
        "--equal-weights",
        "--users=3",
        "--spawn-rate=3",
        "--run-time=3s",
    )
    run = locust(stack, tmp_path, *users, *nobody)
    assert run.returncode == 1
    assert "gRPC Route: CallFailure('UNAVAILABLE')" in run.stderr
    assert "gRPC RouteStream: CallFailure('UNAVAILABLE')" in run.stderr
    assert "HTTP chat: CallFailure('ConnectionRefusedError')" in run.stderr
