"""Who rests, in the Lua that Envoy runs, with a clock of the test's own."""

from importlib import resources
from typing import Any

import pytest
from lupa.luajit21 import LuaRuntime

REFUSALS, REST_SECONDS = 3, 10
RUNTIME = LuaRuntime()


@pytest.fixture
def lua() -> Any:
    """`judge`, `remember`, `remember_hosts`, `rest` (of a cluster of two hosts), `host`, and the table `resting`."""
    source = (resources.files("gateway.envoy_config.lua") / "resting.lua").read_text(encoding="utf-8")
    constants = f"local MAX_REFUSALS, REFUSAL_REST_SECONDS = {REFUSALS}, {REST_SECONDS}\n"
    functions = "\nreturn {judge = judge, rest = cluster_rest, host = preferred_host"
    functions += ", remember = remember, seen = remember_hosts, resting = resting}"
    return RUNTIME.execute(constants + source + functions)


def rests(lua: Any, caller: str, now: int) -> bool:
    return lua.rest("c", 2, caller, now) is not None


def refuse(lua: Any, caller: str, times: int = REFUSALS, now: int = 0) -> None:
    for _ in range(times):
        lua.judge("c", True, caller, now)


def test_one_caller_takes_an_endpoint_from_itself_alone_and_for_a_while(lua: Any) -> None:
    refuse(lua, "a", 100)
    assert (rests(lua, "a", 1), rests(lua, "b", 1)) == (True, False)
    assert not rests(lua, "a", REST_SECONDS)
    refuse(lua, "a", 1, now=REST_SECONDS)  # it has not become better
    assert rests(lua, "a", REST_SECONDS + 1)


def test_two_callers_who_get_nothing_else_take_it_from_everybody(lua: Any) -> None:
    refuse(lua, "a")
    refuse(lua, "b", REFUSALS - 1)
    assert not rests(lua, "c", 1)
    refuse(lua, "b", 1)
    assert rests(lua, "c", 1)


def test_a_success_of_any_caller_ends_all_doubt(lua: Any) -> None:
    refuse(lua, "a")
    lua.judge("c", False, "b", 0)
    refuse(lua, "b")
    assert not rests(lua, "c", 1)


def test_what_is_remembered_of_callers_is_bounded(lua: Any) -> None:
    for i in range(1500):
        refuse(lua, str(i), 1)
    refuse(lua, "late")
    assert not rests(lua, "late", 1)


def test_callers_who_do_not_come_back_are_forgotten(lua: Any) -> None:
    for i in range(100):
        refuse(lua, str(i), now=i)
        lua.judge("c", False, "somebody", i)  # so that they are counted anew
    assert len(list(lua.resting)) > REST_SECONDS
    refuse(lua, "late", now=1000)
    assert list(lua.resting) == ["c for late"]


def test_one_of_two_hosts_that_rests_is_not_preferred_and_two_rest_as_their_cluster(lua: Any) -> None:
    table = RUNTIME.table_from
    lua.seen(table({1: table({"cluster": "c", "host": "x"}), 2: table({"cluster": "c", "host": "y"})}), 0)
    assert lua.host("c", 0) is None  # Envoy balances
    lua.remember(table({"x of c": table({"seconds": 60, "asked_for": True})}), 0)
    assert {lua.host("c", 1) for _ in range(20)} == {"y"}
    assert not rests(lua, "a", 1)
    lua.remember(table({"y of c": table({"seconds": 20, "asked_for": True})}), 0)
    assert lua.rest("c", 2, "a", 1) == (19, True)
    assert lua.host("c", 21) == "y"
