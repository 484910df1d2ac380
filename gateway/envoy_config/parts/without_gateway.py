"""What Envoy knows of the pool by itself: enough to go on while no gateway answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from gateway.config.endpoints_file import EndpointsFile
from gateway.openai.bodies import answers
from gateway.policy import defaults
from gateway.policy.capabilities import ApiProtocol
from gateway.policy.eligibility import permitted
from gateway.pool.clusters import Cluster, attempts, clusters_in_use, first_of_each

MODELS = "/v1/models"
_MAX_CANDIDATES = 3


@dataclass(frozen=True, slots=True)
class WithoutGateway:
    """For each model that may be asked for, the clusters to try, in order; and GET answers about models, by path.

    `clusters` are those that Envoy has, with the number of endpoints in use: a gateway may know others for a moment,
    before or after Envoy. `parameters` are the members of bodies that some LLM has for its own. Candidates are apart by
    protocol: an LLM that speaks only Anthropic's gets no OpenAI request, and the other way round.
    """

    candidates: Mapping[ApiProtocol, Mapping[str, tuple[str, ...]]]
    models: Mapping[str, bytes]
    clusters: Mapping[str, int] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()


def without_gateway(file: EndpointsFile, leaving: Sequence[Cluster] = ()) -> WithoutGateway:
    """What endpoints.yaml says about it; `leaving`: clusters that it does not name any more, and Envoy still has."""
    clusters = (*clusters_in_use(file.llms), *leaving)
    sizes = {cluster.name: sum(endpoint.in_use for endpoint in cluster.endpoints) for cluster in clusters}
    candidates = {protocol: _candidates(file, protocol) for protocol in ApiProtocol}
    parameters = (name for llm in file.llms.values() for name in llm.parameters)
    return WithoutGateway(candidates, _models(file), sizes, tuple(dict.fromkeys(parameters)))


def _candidates(file: EndpointsFile, protocol: ApiProtocol) -> dict[str, tuple[str, ...]]:
    candidates = {}
    speakers = frozenset(name for name, llm in file.llms.items() if protocol in llm.protocols)
    for name, virtual in file.virtual_models.items():
        allowed = permitted(frozenset(file.llms), file.prices, (virtual.rules,)) & speakers
        order = defaults.order(allowed, llms=tuple(file.llms), defaults=(*virtual.default, *file.default))
        candidates[name] = attempts(file.llms, first_of_each(file.llms, order[:_MAX_CANDIDATES]))
    for name in speakers:
        candidates[name] = attempts(file.llms, first_of_each(file.llms, [name]))
    return {model: clusters for model, clusters in candidates.items() if clusters}


def _models(file: EndpointsFile) -> dict[str, bytes]:
    """As the gateway answers; a name may stand in a path with its slashes, or with them escaped."""
    found = {MODELS: answers.model_list(file.virtual_models, file.llms)}
    for name in (*file.virtual_models, *file.llms):
        answer = answers.model(name, virtual=name in file.virtual_models)
        found |= {f"{MODELS}/{quote(name, safe=kept)}": answer for kept in ("/", "")}
    return found
