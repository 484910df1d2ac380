"""A wall clock that jumps (NTP, a resumed machine, a hand) moves no deadline, cache entry, limit or ejection."""

import ast
from collections.abc import Iterator
from pathlib import Path

import gateway

ALLOWED = {  # where people or other machines read the time, and nothing waits for it
    "decision_log.py": {"datetime.now"},
    "tracing.py": {"time.time_ns"},
}
WALL_CLOCKS = {"time.time", "time.time_ns", "time.localtime", "time.gmtime", "datetime.now", "datetime.utcnow"}


def wall_clocks(path: Path) -> Iterator[str]:
    """What a module reads the wall clock by."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if (name := f"{owner}.{node.attr}") in WALL_CLOCKS:
                yield name
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (f"time.{alias.name}" for alias in node.names if f"time.{alias.name}" in WALL_CLOCKS)


def test_the_wall_clock_is_written_down_and_never_waited_for() -> None:
    modules = sorted(Path(gateway.__file__).parent.rglob("*.py"))
    used = {path.name: found for path in modules if (found := set(wall_clocks(path)))}
    assert used == ALLOWED


def test_what_ages_does_so_by_a_clock_that_cannot_jump() -> None:
    clocked = [path for path in Path(gateway.__file__).parent.rglob("*.py") if "clock: Callable" in path.read_text()]
    assert {path.stem for path in clocked} >= {
        "cache",
        "coalescer",
        "sessions",
        "token_bucket",
        "adaptive_limit",
        "endpoint_health",
    }
    assert all("= time.monotonic" in path.read_text() for path in clocked)
