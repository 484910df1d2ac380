"""The pool of LLMs as the router sees it: names, prices, who is in use, and which endpoint is next.

Built from endpoints.yaml, replaced as a whole when that changes. Knows nothing of scores or requests.
"""

from collections.abc import Collection, Iterator, Sequence

from gateway.endpoints import Endpoint, EndpointsFile
from gateway.errors import BundleMismatchError, NoLlmError
from gateway.scorer import Bundle


class Pool:
    """LLMs by name. Several endpoints of one LLM take turns, as often as their weights say."""

    def __init__(self, file: EndpointsFile) -> None:
        self.llms = file.llms
        self.names = frozenset(file.llms)
        self.defaults = file.default
        self.virtual_models = file.virtual_models
        self.prices = file.prices
        self.context_tokens = {n: llm.context_tokens for n, llm in file.llms.items() if llm.context_tokens is not None}
        in_use = {name: [e for e in llm.endpoints if e.in_use] for name, llm in file.llms.items()}
        self.healthy = frozenset(name for name, endpoints in in_use.items() if endpoints)
        self._turns = {name: _turns(endpoints) for name, endpoints in in_use.items() if endpoints}

    def endpoint(self, llm: str) -> Endpoint:
        """The endpoint of `llm` (one that is healthy) whose turn it is."""
        return next(self._turns[llm])

    def eligible(self, permitted: frozenset[str]) -> frozenset[str]:
        """Those of `permitted` that are healthy.

        Raises:
            NoLlmError: there is none.
        """
        eligible = self.healthy & permitted
        if not eligible:
            raise NoLlmError(f"every endpoint of {', '.join(sorted(permitted))} is out of use")
        return eligible

    def check(self, bundle: Bundle) -> None:
        """Makes sure that bundle and endpoints.yaml name the same LLMs.

        Raises:
            BundleMismatchError: they do not; the message has the difference.
        """
        if self.names != frozenset(bundle.llms):
            raise BundleMismatchError(_difference(bundle.bundle_id, set(bundle.llms), self.names))


def _turns(endpoints: Sequence[Endpoint]) -> Iterator[Endpoint]:
    """Endless turns in proportion to the weights, spread evenly (smooth weighted round robin, as in nginx)."""
    total = sum(endpoint.weight for endpoint in endpoints)
    owed = [0] * len(endpoints)
    while True:
        owed = [turns + endpoint.weight for turns, endpoint in zip(owed, endpoints, strict=True)]
        chosen = owed.index(max(owed))
        owed[chosen] -= total
        yield endpoints[chosen]


def _difference(bundle_id: str, in_bundle: Collection[str], in_file: Collection[str]) -> str:
    missing, unknown = sorted(set(in_bundle) - set(in_file)), sorted(set(in_file) - set(in_bundle))
    parts = [f"missing in endpoints.yaml: {', '.join(missing)}"] if missing else []
    parts += [f"not in the bundle: {', '.join(unknown)}"] if unknown else []
    return f"endpoints.yaml and bundle {bundle_id} do not name the same LLMs: {'; '.join(parts)}"
