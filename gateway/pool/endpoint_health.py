"""Which endpoints may be asked, judged by what callers report and what probes find.

    healthy ──several reported failures in a row──▶ ejected, longer each time ──▶ returning, turn by turn ──▶ healthy
    healthy ──as many failed probes in a row──▶ down ──a probe succeeds──▶ returning

While it returns, one more failure ejects an endpoint again, for twice as long. One state for each address and model:
a model that shares its server with another may be well when the other is not.

Where callers have API keys, what one of them reports ejects an endpoint for that caller alone; once a second caller's
reports agree, for everybody. So nobody takes an endpoint away from others. Probes, the gateway's own, count for all.
"""

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from gateway.config.endpoints_file import Endpoint
from gateway.config.groups import EndpointRules
from gateway.domain.outcomes import CallOutcome, EndpointState

_LEAST_SHARE = 0.1  # of its turns, when an endpoint begins to return

_WITNESSES = 2  # callers whose reports must agree before an endpoint is ejected for everybody
_EVERYBODY = ""

_Key = tuple[str, str, str]  # caller (_EVERYBODY: all), address, model


@dataclass(slots=True)
class _Record:
    """An endpoint that failed lately."""

    failures: int = 0
    failed_probes: int = 0
    down: bool = False
    ejections: int = 0
    back_at: float = -math.inf  # when it returns, or began to


class EndpointHealth:
    """Every endpoint's health; what was never heard of is healthy."""

    def __init__(self, rules: EndpointRules | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rules = rules or EndpointRules()
        self._clock = clock
        self._records: dict[_Key, _Record] = {}

    @property
    def all_well(self) -> bool:
        """No endpoint has failed lately: every share is 1."""
        return not self._records

    def report(self, endpoint: Endpoint, outcome: CallOutcome, caller: str = _EVERYBODY) -> float | None:
        """A call of `caller` to `endpoint` ended: for how many seconds that ejects it, or None.

        Reports about an endpoint that is ejected already are late, and change nothing.
        """
        seconds = self._reported(_key(endpoint, caller), endpoint, outcome)
        if seconds is not None and caller and self._witnesses(endpoint) >= _WITNESSES:
            return self._eject(self._records.setdefault(_key(endpoint), _Record()))
        return seconds

    def _reported(self, key: _Key, endpoint: Endpoint, outcome: CallOutcome) -> float | None:
        state = self._state(key)
        if state is EndpointState.EJECTED or (outcome is CallOutcome.OK and key not in self._records):
            return None
        record = self._records.setdefault(key, _Record())
        if outcome is CallOutcome.OK:
            record.failures = 0
            self._forget_if_well(key, record)
            return None
        record.failures += 1
        if state is EndpointState.HEALTHY:
            record.ejections = 0
        if record.failures < (1 if state is EndpointState.RETURNING else self._rules.max_endpoint_failures):
            return None
        return self._eject(record)

    def probe(self, endpoint: Endpoint, ok: bool) -> None:
        """`endpoint` was probed."""
        if ok and _key(endpoint) not in self._records:
            return
        record = self._records.setdefault(_key(endpoint), _Record())
        record.failed_probes = 0 if ok else record.failed_probes + 1
        if ok and record.down:
            record.down, record.back_at = False, max(record.back_at, self._clock())
        elif record.failed_probes >= self._rules.max_endpoint_failures:
            record.down = True
        self._forget_if_well(_key(endpoint), record)

    def state(self, endpoint: Endpoint, caller: str = _EVERYBODY) -> EndpointState:
        """What is thought of `endpoint` now, by everybody and by `caller`."""
        if not endpoint.in_use:
            return EndpointState.OUT_OF_USE
        shared = self._state(_key(endpoint))
        return shared if shared is not EndpointState.HEALTHY else self._state(_key(endpoint, caller))

    def _state(self, key: _Key) -> EndpointState:
        record = self._records.get(key)
        if record is None:
            return EndpointState.HEALTHY
        if record.down:
            return EndpointState.DOWN
        since_back = self._clock() - record.back_at
        if since_back < 0:
            return EndpointState.EJECTED
        return EndpointState.RETURNING if since_back < self._rules.return_seconds else EndpointState.HEALTHY

    def share(self, endpoint: Endpoint, caller: str = _EVERYBODY) -> float:
        """How much of its turns `endpoint` gets now from `caller`: 0 (must not be asked) to 1."""
        shared = self._share(_key(endpoint)) if endpoint.in_use else 0.0
        return min(shared, self._share(_key(endpoint, caller))) if caller else shared

    def _share(self, key: _Key) -> float:
        match self._state(key):
            case EndpointState.HEALTHY:
                return 1.0
            case EndpointState.RETURNING:
                since_back = self._clock() - self._records[key].back_at
                return min(1.0, max(_LEAST_SHARE, since_back / self._rules.return_seconds))
            case _:
                return 0.0

    def keep_only(self, endpoints: Collection[Endpoint]) -> None:
        """Forgets all others: the pool has changed."""
        kept = {_key(endpoint)[1:] for endpoint in endpoints}
        self._records = {key: record for key, record in self._records.items() if key[1:] in kept}

    def _witnesses(self, endpoint: Endpoint) -> int:
        """For how many callers their own reports have ejected `endpoint`."""
        of_callers = (key for key in self._records if key[0] and key[1:] == _key(endpoint)[1:])
        return sum(self._state(key) is EndpointState.EJECTED for key in of_callers)

    def _forget_if_well(self, key: _Key, record: _Record) -> None:
        if not record.failures and not record.failed_probes and self._state(key) is EndpointState.HEALTHY:
            del self._records[key]

    def _eject(self, record: _Record) -> float:
        longest, first = self._rules.max_ejection_seconds, self._rules.ejection_seconds
        seconds = min(longest, math.ldexp(first, min(record.ejections, 30)))
        record.failures = 0
        record.ejections += 1
        record.back_at = self._clock() + seconds
        return seconds


def _key(endpoint: Endpoint, caller: str = _EVERYBODY) -> _Key:
    return caller, endpoint.address, endpoint.model
