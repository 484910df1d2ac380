"""Who calls: API keys, what each may have, and how often.

    keys:
      - name: search-team                   # in logs and metrics; the key itself is in neither
        sha256: 9f86d081…                   # of the key: printf %s "$KEY" | sha256sum
        allowed: [mistral-7b, llama-3-8b]   # optional, like `denied` and `max_price`: they hold besides a request's own
        queries_per_second: 50              # optional
        burst: 100                          # optional, 1 second's worth by default

Keys are long random strings, so one round of SHA-256 keeps them: there is nothing to guess. Does not know gRPC.
"""

import hmac
from collections.abc import Iterable, Set
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.errors import CallersError, ForbiddenError, RateLimitedError, UnauthenticatedError
from gateway.limits.token_bucket import TokenBucket
from gateway.policy.eligibility import CallerRules
from routerdc_contract.yaml_model import NotYamlError, YamlError, load_yaml_model

_SCHEME = "bearer "
_Names = tuple[str, ...]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ApiKey(_Frozen):
    """One key."""

    name: str = Field(min_length=1, max_length=64)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
    allowed: _Names = ()
    denied: _Names = ()
    max_price: float | None = Field(default=None, ge=0)
    queries_per_second: float | None = Field(default=None, gt=0)
    burst: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _burst_has_a_rate(self) -> Self:
        if self.burst is not None and self.queries_per_second is None:
            raise ValueError("burst needs queries_per_second")
        return self

    @property
    def rules(self) -> CallerRules:
        """Which LLMs its holder may have."""
        return CallerRules(frozenset(self.allowed) or None, frozenset(self.denied), self.max_price)

    def bucket(self) -> TokenBucket | None:
        """A full bucket; None without a limit."""
        if self.queries_per_second is None:
            return None
        return TokenBucket(self.queries_per_second, self.burst or ceil(self.queries_per_second))


class ApiKeysFile(_Frozen):
    """The whole file."""

    keys: tuple[ApiKey, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_key_twice(self) -> Self:
        for field_name in ("name", "sha256"):
            values = [getattr(key, field_name) for key in self.keys]
            if twice := sorted({key.name for key in self.keys if values.count(getattr(key, field_name)) > 1}):
                raise ValueError(f"{field_name}: must be unique, see {', '.join(twice)}")
        return self

    def check(self, llms: Set[str]) -> None:
        """Makes sure that only LLMs of the pool are named: a typing error in `denied` would let callers have one.

        Raises:
            CallersError: another one is named.
        """
        for key in self.keys:
            if unknown := sorted({*key.allowed, *key.denied} - llms):
                raise CallersError(f"api_keys_file: key {key.name!r}: not in the pool: {', '.join(unknown)}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever holds a key; without keys, everybody."""

    name: str
    rules: CallerRules = field(default_factory=CallerRules)
    bucket: TokenBucket | None = None

    def admit(self, queries: int) -> None:
        """Counts `queries` against the limit.

        Raises:
            RateLimitedError: they are too many for now; none is counted.
        """
        if self.bucket is not None and (seconds := self.bucket.take(queries)):
            raise RateLimitedError(self.name, self.bucket.per_second, seconds)

    def authorize(self, llms: Iterable[str]) -> None:
        """Refuses a request that wants one of `llms`, none of which the key may have. Prices are the policy's business.

        Raises:
            ForbiddenError: that is so.
        """
        wanted, rules = frozenset(llms), self.rules
        if wanted and not (wanted if rules.allowed is None else wanted & rules.allowed) - rules.denied:
            raise ForbiddenError(self.name, sorted(wanted))


ANYBODY = Caller("anybody")
current: ContextVar[Caller] = ContextVar("caller", default=ANYBODY)
"""Who sent the request that is being handled."""


class Callers:
    """All keys, looked up by hash."""

    def __init__(self, file: ApiKeysFile) -> None:
        self._by_hash: dict[str, tuple[ApiKey, Caller]] = {}
        self.replace(file)

    def replace(self, file: ApiKeysFile) -> None:
        """Only the keys of `file` count from now on; a key that has not changed keeps what is left of its limit."""
        before = self._by_hash
        self._by_hash = {}
        for key in file.keys:
            known = before.get(key.sha256)
            same = known is not None and known[0] == key
            caller = known[1] if known is not None and same else Caller(key.name, key.rules, key.bucket())
            self._by_hash[key.sha256] = (key, caller)

    def identify(self, authorization: str | None) -> Caller:
        """The caller who sent `authorization` ("Bearer KEY").

        Raises:
            UnauthenticatedError: there is no key, or it is none of ours.
        """
        if authorization is None or not authorization.lower().startswith(_SCHEME):
            raise UnauthenticatedError("an API key is needed: send the metadata `authorization: Bearer KEY`")
        digest = sha256(authorization[len(_SCHEME) :].strip().encode()).hexdigest()
        key, caller = self._by_hash.get(digest, (None, ANYBODY))
        # Whoever is timing the lookup learns about hashes that he cannot choose; the comparison tells him nothing.
        if key is None or not hmac.compare_digest(key.sha256, digest):
            raise UnauthenticatedError("the API key is not known here")
        return caller


def read(path: Path) -> ApiKeysFile:
    """The checked content of the file with the API keys.

    Raises:
        CallersError: no such file, not YAML, or a wrong field; the message repeats no hash.
    """
    try:
        return load_yaml_model(ApiKeysFile, path)
    except NotYamlError as error:  # the parser's sentence would quote the file
        raise CallersError(f"{path}: not YAML" + (f" (line {error.line})" if error.line else "")) from None
    except YamlError as error:
        raise CallersError(str(error)) from None
