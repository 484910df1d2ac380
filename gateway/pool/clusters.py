"""What Envoy calls the endpoints of an LLM.

Endpoints of one LLM that Envoy can treat alike (same model name, base path, TLS and API key) are one cluster, in which
Envoy balances. `routerdc envoy-config` writes the clusters under these names and the servicer sends requests to them.

A name says what its endpoints have in common, and never means anything else: gateways, Envoy, and the files in which
Envoy finds keys take a change of endpoints.yaml one after the other, and no key may reach another's server in between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

from gateway.config.endpoints_file import Endpoint, Llm
from gateway.policy.capabilities import ApiProtocol

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Endpoints of one LLM that differ in nothing but their host."""

    name: str
    llm: str
    endpoints: tuple[Endpoint, ...]
    protocols: tuple[ApiProtocol, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)


def clusters_of(llm: str, spec: Llm) -> tuple[Cluster, ...]:
    """The clusters of one LLM, in the order in which its endpoints are listed; their names are NAME#DIGEST."""
    alike: dict[tuple[object, ...], list[Endpoint]] = {}
    for endpoint in spec.endpoints:
        alike.setdefault(_kind(endpoint), []).append(endpoint)
    return tuple(
        Cluster(f"{llm}#{_digest(kind)}", llm, tuple(endpoints), spec.protocols, spec.parameters)
        for kind, endpoints in alike.items()
    )


def clusters_in_use(llms: Mapping[str, Llm]) -> list[Cluster]:
    """Those of all LLMs that have an endpoint in use."""
    clusters = (cluster for name, llm in llms.items() for cluster in clusters_of(name, llm))
    return [cluster for cluster in clusters if any(endpoint.in_use for endpoint in cluster.endpoints)]


def attempts(llms: Mapping[str, Llm], candidates: Sequence[tuple[str, Endpoint]]) -> tuple[str, ...]:
    """Names of the clusters to try, in order.

    An LLM with several endpoints is tried twice before the next candidate: its work may be done next door. So is one
    without another candidate: the first attempt may have met a connection that was just closing.
    """
    names: list[str] = []
    for llm, endpoint in candidates:
        clusters = [cluster for cluster in clusters_of(llm, llms[llm]) if any(e.in_use for e in cluster.endpoints)]
        first = next(cluster for cluster in clusters if endpoint in cluster.endpoints)
        others = [cluster for cluster in clusters if cluster is not first]
        if len(first.endpoints) > 1 or (not others and len(candidates) == 1):
            others = [first]
        names += [first.name, *(cluster.name for cluster in others[:1])]
    return tuple(names)


def same_model(spec: Llm, endpoint: Endpoint) -> tuple[str, ...]:
    """host:port of `endpoint` first, then of the LLM's others in use that know the model by the same name."""
    others = [e for e in spec.endpoints if e.in_use and e.model == endpoint.model and e.address != endpoint.address]
    return tuple(authority(e) for e in (endpoint, *others))


def authority(endpoint: Endpoint) -> str:
    """host:port."""
    url = urlsplit(endpoint.address)
    host = f"[{url.hostname}]" if url.hostname and ":" in url.hostname else url.hostname
    return f"{host}:{url.port or _DEFAULT_PORTS[url.scheme]}"


def host_header(endpoint: Endpoint) -> str:
    """What HTTP calls the endpoint: its host, and its port where that is not the scheme's own."""
    url, whole = urlsplit(endpoint.address), authority(endpoint)
    return whole.rpartition(":")[0] if url.port in (None, _DEFAULT_PORTS[url.scheme]) else whole


def base_path(endpoint: Endpoint) -> str:
    """Path of the base URL without a closing slash: "/v1"."""
    return urlsplit(endpoint.address).path.rstrip("/")


def _kind(endpoint: Endpoint) -> tuple[object, ...]:
    """What endpoints of one cluster have in common; behind TLS their host too, because certificates name it."""
    url = urlsplit(endpoint.address)
    server = (url.scheme, url.hostname if url.scheme == "https" else None, base_path(endpoint), endpoint.ca_file)
    return *server, endpoint.model, endpoint.api_key_env, endpoint.api_key_file


@lru_cache(maxsize=1024)  # asked for every request
def _digest(kind: tuple[object, ...]) -> str:
    return blake2b(repr(tuple(map(str, kind))).encode(), digest_size=4).hexdigest()


def first_of_each(llms: Mapping[str, Llm], names: Sequence[str]) -> tuple[tuple[str, Endpoint], ...]:
    """The LLMs of that name with their first endpoint in use, those that have none left out."""
    firsts = ((name, next((e for e in llms[name].endpoints if e.in_use), None)) for name in names)
    return tuple((name, endpoint) for name, endpoint in firsts if endpoint is not None)
