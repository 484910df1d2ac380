from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.api_keys_file import ApiKeysFile, read
from gateway.errors import CallersError, ForbiddenError, RateLimitedError, UnauthenticatedError
from gateway.limits.caller import Callers
from gateway.policy.eligibility import CallerRules

KEY = "a long random string"


def hashed(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def api_keys(*keys: dict[str, Any]) -> ApiKeysFile:
    return ApiKeysFile.model_validate({"keys": [{"name": "team", "sha256": hashed(KEY)} | key for key in keys]})


@pytest.mark.parametrize("authorization", [f"Bearer {KEY}", f"bearer {KEY}", f"Bearer  {KEY} "])
def test_a_key_names_its_caller(authorization: str) -> None:
    rules = {"allowed": ["alpha"], "denied": ["beta"], "max_price": 2}
    caller = Callers(api_keys(rules)).identify(authorization)
    assert caller.name == "team"
    assert caller.rules == CallerRules(frozenset({"alpha"}), frozenset({"beta"}), 2)


@pytest.mark.parametrize("authorization", [None, "", KEY, f"Basic {KEY}", "Bearer", "Bearer another", hashed(KEY)])
def test_anything_else_is_refused_without_repeating_it(authorization: str | None) -> None:
    with pytest.raises(UnauthenticatedError) as error:
        Callers(api_keys({})).identify(authorization)
    assert KEY not in str(error.value)


def test_the_hash_itself_is_no_key() -> None:
    with pytest.raises(UnauthenticatedError):
        Callers(api_keys({})).identify(f"Bearer {hashed(KEY)}")


def test_what_is_left_of_a_limit_survives_a_reload_unless_the_key_changed() -> None:
    limited = {"queries_per_second": 0.001, "burst": 1}
    callers = Callers(api_keys(limited))
    callers.identify(f"Bearer {KEY}").charge(1)
    callers.replace(api_keys(limited, {"name": "other", "sha256": hashed("other")}))
    with pytest.raises(RateLimitedError):
        callers.identify(f"Bearer {KEY}").charge(1)
    callers.replace(api_keys(limited | {"burst": 2}))
    callers.identify(f"Bearer {KEY}").charge(2)


def test_a_withdrawn_key_is_unknown() -> None:
    callers = Callers(api_keys({}))
    callers.replace(api_keys({"sha256": hashed("other")}))
    with pytest.raises(UnauthenticatedError):
        callers.identify(f"Bearer {KEY}")


@pytest.mark.parametrize(
    ("rules", "wanted", "forbidden"),
    [
        ({}, ["alpha"], False),
        ({"allowed": ["alpha"]}, [], False),
        ({"allowed": ["alpha"]}, ["alpha", "beta"], False),
        ({"allowed": ["alpha"]}, ["beta"], True),
        ({"denied": ["beta"]}, ["beta"], True),
        ({"allowed": ["alpha"], "denied": ["alpha"]}, ["alpha"], True),
    ],
)
def test_a_request_for_llms_that_the_key_may_not_have_is_forbidden(
    rules: dict[str, Any], wanted: list[str], forbidden: bool
) -> None:
    caller = Callers(api_keys(rules)).identify(f"Bearer {KEY}")
    if not forbidden:
        caller.authorize(wanted)
        return
    with pytest.raises(ForbiddenError, match=f"team may not use {', '.join(wanted)}"):
        caller.authorize(wanted)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("keys: [", "not YAML"),
        ("keys: []", "keys: "),
        (yaml.safe_dump({"keys": [{"name": "team", "sha256": KEY}]}), "keys.0.sha256: "),
        (yaml.safe_dump({"keys": [{"name": "team", "sha256": hashed(KEY), "burst": 1}]}), "queries_per_second"),
        (yaml.safe_dump({"keys": [{"name": n, "sha256": hashed(KEY)} for n in "ab"]}), "sha256: must be unique"),
    ],
)
def test_a_wrong_file_is_refused_and_nothing_of_it_repeated(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "keys.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CallersError, match=message) as error:
        read(path)
    assert KEY not in str(error.value)
    assert hashed(KEY) not in str(error.value)


def test_a_key_may_name_only_llms_of_the_pool() -> None:
    with pytest.raises(CallersError, match="key 'team': not in the pool: omega"):
        api_keys({"denied": ["omega"]}).check({"alpha"})
