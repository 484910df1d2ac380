"""Callers: who sent a request, which LLMs they may use, and their quota. Knows keys by hash only, and no protocol."""

import hmac
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256
from math import ceil

from gateway.config.api_keys_file import ApiKey, ApiKeysFile
from gateway.errors import ForbiddenError, RateLimitedError, UnauthenticatedError
from gateway.limits.token_bucket import TokenBucket
from gateway.policy.eligibility import CallerRules

_SCHEME = "bearer "

OnQuota = Callable[[str, int, bool], None]
"""Hears of each use of a quota: the caller's name, how many queries, and whether they were refused."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of an API key; without keys, everybody (`ANONYMOUS`)."""

    name: str
    rules: CallerRules = field(default_factory=CallerRules)
    bucket: TokenBucket | None = None
    on_quota: OnQuota = lambda name, queries, limited: None

    def charge(self, queries: int) -> None:
        """Counts `queries` against the quota: the one place for every door.

        Raises:
            RateLimitedError: they are too many for now; none is counted.
        """
        seconds = 0.0 if self.bucket is None else self.bucket.take(queries)
        self.on_quota(self.name, queries, seconds > 0)
        if self.bucket is not None and seconds > 0:
            raise RateLimitedError(self.name, self.bucket.per_second, seconds)

    def authorize(self, llms: Iterable[str]) -> None:
        """Refuses a request for one of `llms` where the key may use none of them; prices are checked by the policy.

        Raises:
            ForbiddenError: the key may use none of them.
        """
        wanted, rules = frozenset(llms), self.rules
        if wanted and not (wanted if rules.allowed is None else wanted & rules.allowed) - rules.denied:
            raise ForbiddenError(self.name, sorted(wanted))


ANONYMOUS = Caller("anonymous")
current: ContextVar[Caller] = ContextVar("caller", default=ANONYMOUS)
"""The caller whose request is being handled."""


class Callers:
    """All callers, looked up by the hash of their API key."""

    def __init__(self, file: ApiKeysFile, on_quota: OnQuota = lambda name, queries, limited: None) -> None:
        """`on_quota` hears of each use of a quota."""
        self._on_quota = on_quota
        self._by_hash: dict[str, tuple[ApiKey, Caller]] = {}
        self.replace(file)

    def replace(self, file: ApiKeysFile) -> None:
        """Only the keys of `file` count from now on; a key that has not changed keeps what is left of its quota."""
        before = self._by_hash
        self._by_hash = {}
        for key in file.keys:
            known = before.get(key.sha256)
            caller = known[1] if known is not None and known[0] == key else self._caller(key)
            self._by_hash[key.sha256] = (key, caller)

    def identify(self, authorization: str | None) -> Caller:
        """The caller who sent `authorization` ("Bearer KEY").

        Raises:
            UnauthenticatedError: there is no key, or it is none of ours.
        """
        if authorization is None or not authorization.lower().startswith(_SCHEME):
            raise UnauthenticatedError("an API key is needed: send the metadata `authorization: Bearer KEY`")
        # HTTP servers make lone surrogates of bytes that are no UTF-8.
        digest = sha256(authorization[len(_SCHEME) :].strip().encode(errors="surrogateescape")).hexdigest()
        key, caller = self._by_hash.get(digest, (None, ANONYMOUS))
        # Timing can reveal only the hash lookup, which callers cannot steer; the comparison is constant-time.
        if key is None or not hmac.compare_digest(key.sha256, digest):
            raise UnauthenticatedError("the API key is not known here")
        return caller

    def _caller(self, key: ApiKey) -> Caller:
        rate = key.queries_per_second
        bucket = None if rate is None else TokenBucket(rate, key.burst or ceil(rate))
        return Caller(key.name, key.rules, bucket, self._on_quota)
