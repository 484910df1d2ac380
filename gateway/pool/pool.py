"""The pool of LLMs as the router sees it: names, prices, who is in use, and which endpoint is next.

Built from endpoints.yaml, replaced as a whole when that changes. Knows nothing of scores or requests.
"""

import json
from collections.abc import Collection, Iterator

from gateway.config.endpoints_file import Endpoint, EndpointsFile
from gateway.domain.outcomes import EndpointState
from gateway.domain.scorer import Bundle
from gateway.errors import BundleMismatchError, NoLlmError
from gateway.policy.capabilities import ApiProtocol, effective
from gateway.policy.choice import Thresholds
from gateway.pool.clusters import clusters_of
from gateway.pool.endpoint_health import EndpointHealth
from gateway.pool.weighted_round_robin import WeightedRoundRobin


class Pool:
    """LLMs by name. Several endpoints of one LLM take turns, as often as weight and health say."""

    def __init__(self, file: EndpointsFile, health: EndpointHealth | None = None) -> None:
        """`health` is what is known about the endpoints; it outlives the pool (None: all are well)."""
        self.llms = file.llms
        self.names = frozenset(file.llms)
        self.defaults = file.default
        self.virtual_models = file.virtual_models
        self.prices = file.prices
        self.cost_weight = file.policy.cost_weight
        policy = file.policy
        self.thresholds = Thresholds(policy.sticky_margin, policy.min_margin, policy.min_confidence, policy.switch_cost)
        self.context_tokens = {n: llm.context_tokens for n, llm in file.llms.items() if llm.context_tokens is not None}
        listed = ((n, llm.capabilities) for n, llm in file.llms.items())
        self.capabilities = {n: effective(capabilities) for n, capabilities in listed if capabilities is not None}
        self.speakers = {p: frozenset(n for n, llm in file.llms.items() if p in llm.protocols) for p in ApiProtocol}
        self.members = dict(_members(file))
        self.parameter_names = frozenset(name for llm in file.llms.values() for name in llm.parameters)
        self.endpoint_health = health or EndpointHealth()
        self._checked: Bundle | None = None  # the last bundle whose scores were asked for: it is the same nearly always
        self._in_use = {n: [e for e in llm.endpoints if e.in_use] for n, llm in file.llms.items()}
        self._with_endpoints = frozenset(name for name, endpoints in self._in_use.items() if endpoints)
        self._turns = {
            name: WeightedRoundRobin([e.weight for e in endpoints]) for name, endpoints in self._in_use.items()
        }

    def healthy(self, caller: str = "") -> frozenset[str]:
        """The LLMs with an endpoint that `caller` (empty: anybody) may be given now."""
        health = self.endpoint_health
        if health.all_well:
            return self._with_endpoints
        return frozenset(
            name for name, endpoints in self._in_use.items() if any(health.share(one, caller) for one in endpoints)
        )

    def all_unhealthy(self, llms: frozenset[str], caller: str = "") -> bool:
        """Whether none of `llms`, which have endpoints in use, has one that `caller` may be given now."""
        return not self.endpoint_health.all_well and llms.isdisjoint(self.healthy(caller))

    def endpoint(self, llm: str, caller: str = "") -> Endpoint:
        """The endpoint of `llm` (one with an endpoint in use) whose turn it is; where all are ejected, one of them."""
        endpoints, health = self._in_use[llm], self.endpoint_health
        if len(endpoints) == 1:
            return endpoints[0]
        shares = None if health.all_well else [health.share(endpoint, caller) for endpoint in endpoints]
        return endpoints[self._turns[llm].next(shares)]

    def eligible(self, permitted: frozenset[str], caller: str = "") -> frozenset[str]:
        """Those of `permitted` that are healthy for `caller`; where none is, those with endpoints, as a last resort.

        Raises:
            NoLlmError: every endpoint is out of use.
        """
        eligible = self.healthy(caller) & permitted or self._with_endpoints & permitted
        if not eligible:
            raise NoLlmError(f"every endpoint of {', '.join(sorted(permitted))} is out of use")
        return eligible

    def find(self, address: str, model: str, among: frozenset[str] | None = None) -> tuple[str, Endpoint] | None:
        """The endpoint at `address` that serves `model`, with the first LLM (of `among`; None: all) that has it."""
        for name, llm in self.llms.items():
            for endpoint in llm.endpoints if among is None or name in among else ():
                if (endpoint.address, endpoint.model) == (address, model):
                    return name, endpoint
        return None

    def states(self) -> Iterator[tuple[str, Endpoint, EndpointState]]:
        """Every endpoint with its LLM and what is thought of it now."""
        for name, llm in self.llms.items():
            for endpoint in llm.endpoints:
                yield name, endpoint, self.endpoint_health.state(endpoint)

    def check(self, bundle: Bundle) -> None:
        """Makes sure that every LLM of the bundle is in endpoints.yaml.

        That may name others besides while the pool changes: an LLM that joins is there before the bundle scores it, one
        that leaves stays until no bundle does.

        Raises:
            BundleMismatchError: one is not; the message has the whole difference.
        """
        if not self.names.issuperset(bundle.llms):
            raise BundleMismatchError(_difference(bundle.bundle_id, set(bundle.llms), self.names))

    def check_equal(self, bundle: Bundle) -> None:
        """Makes sure that bundle and endpoints.yaml name the same LLMs, as they must when a gateway starts.

        Raises:
            BundleMismatchError: they do not; the message has the difference.
        """
        if self.names != frozenset(bundle.llms):
            raise BundleMismatchError(_difference(bundle.bundle_id, set(bundle.llms), self.names))

    def scored(self, eligible: frozenset[str], bundle: Bundle) -> frozenset[str]:
        """Those of `eligible` that `bundle` scores.

        Raises:
            BundleMismatchError: it scores none of them, or one that endpoints.yaml does not name.
        """
        if bundle is not self._checked:
            self.check(bundle)
            self._checked = bundle
        if len(self.names) == len(bundle.llms):
            return eligible
        if not (scored := eligible.intersection(bundle.llms)):
            raise BundleMismatchError(f"bundle {bundle.bundle_id} does not score {', '.join(sorted(eligible))} yet")
        return scored


def _members(file: EndpointsFile) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Members of every body that goes to a cluster, by its name: its model, and its LLM's parameters, as JSON."""
    for name, llm in file.llms.items():
        for cluster in clusters_of(name, llm):
            members = {"model": cluster.endpoints[0].model} | llm.parameters
            yield cluster.name, {member: json.dumps(value).encode() for member, value in members.items()}


def _difference(bundle_id: str, in_bundle: Collection[str], in_file: Collection[str]) -> str:
    missing, unknown = sorted(set(in_bundle) - set(in_file)), sorted(set(in_file) - set(in_bundle))
    parts = [f"missing in endpoints.yaml: {', '.join(missing)}"] if missing else []
    parts += [f"not in the bundle: {', '.join(unknown)}"] if unknown else []
    return f"endpoints.yaml and bundle {bundle_id} do not name the same LLMs: {'; '.join(parts)}"
