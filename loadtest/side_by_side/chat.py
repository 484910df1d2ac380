"""What data planes add to a chat completion: ours through Envoy, Envoy alone, LiteLLM's proxy, to the same endpoint.

The endpoint is a stand-in that answers at once, so everything but the direct call's time is the data plane's. LiteLLM
scores nothing, so it is compared with ours with scores from the cache; a new text every time adds Triton's scoring.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from loadtest.bench.comparison import Comparison, Goal
from loadtest.closed_loop.chat_overhead import Target, measure, percentile
from loadtest.servers import stack
from loadtest.servers.processes import free_ports
from loadtest.side_by_side.environments import LITELLM, InstallError
from loadtest.side_by_side.http_server import StartError, http_server

DIRECT, ENVOY, OURS, OURS_SCORED, LITELLM_PROXY = (
    "direct",
    "Envoy alone",
    "ours, scores cached",
    "ours, every text scored",
    "LiteLLM's proxy",
)
_SHARES = (0.5, 0.99)
_LITELLM_LOCAL = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # no download at start
    "LITELLM_LOG": "ERROR",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # no authentication on either side
}
_ENVOY = str(Path(sys.executable).with_name("envoy"))


@dataclass(frozen=True, slots=True)
class Chat:
    """Milliseconds of each request, by concurrency, then by target, a list for each round."""

    took_ms: dict[int, dict[str, list[list[float]]]]
    error: str = ""  # why LiteLLM, or all, is missing

    def added_ms(self, concurrency: int, target: str, share: float) -> list[float]:
        """To the direct call in the same round."""
        rounds = self.took_ms[concurrency]
        pairs = zip(rounds[target], rounds[DIRECT], strict=True)
        return [percentile(ours, share) - percentile(direct, share) for ours, direct in pairs]

    def comparisons(self) -> list[Comparison]:
        """What ours adds over what LiteLLM and Envoy add."""
        found = []
        for concurrency, targets in self.took_ms.items():
            for share in _SHARES:
                what = f"p{share * 100:.0f} added to a chat completion, {concurrency} at a time"
                ours = tuple(self.added_ms(concurrency, OURS, share))
                for name, goal in ((LITELLM_PROXY, Goal("ratio", most=0.25)), (ENVOY, None)):
                    if name in targets:
                        reference = tuple(self.added_ms(concurrency, name, share))
                        found.append(Comparison(f"{what}: ours over {name}", "ms", ours, reference, goal))
        return found


async def measured(folder: Path, rounds: int, requests: int, concurrencies: Sequence[int]) -> Chat:
    """Starts everything on free ports and measures alternately.

    Raises:
        loadtest.servers.stack.StackError: our own service did not start.
    """
    with ExitStack() as running:
        ours = running.enter_context(stack.own(folder))
        ports: dict[str, int] = json.loads((folder / "demo_endpoints.json").read_text())
        model, port = next(iter(ports.items()))
        endpoint = f"http://127.0.0.1:{port}/v1"
        targets = [
            Target(DIRECT, endpoint, model),
            Target(ENVOY, running.enter_context(_envoy_alone(folder, port)), model),
            Target(OURS, ours.openai_url, "auto"),
            Target(OURS_SCORED, ours.openai_url, "auto", distinct=True),
        ]
        error = ""
        try:
            targets.append(Target(LITELLM_PROXY, running.enter_context(_litellm(folder, endpoint, model)), model))
        except (InstallError, StartError) as problem:
            error = str(problem)
        return Chat({count: await measure(targets, rounds, requests, count) for count in concurrencies}, error)


@contextmanager
def _litellm(folder: Path, endpoint: str, model: str) -> Iterator[str]:
    config, (port,) = folder / "litellm.yaml", free_ports(1)
    parameters = {"model": f"openai/{model}", "api_base": endpoint, "api_key": "none"}
    config.write_text(yaml.safe_dump({"model_list": [{"model_name": model, "litellm_params": parameters}]}))
    program = str(LITELLM.python().with_name("litellm"))
    command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    environment = {**os.environ, **_LITELLM_LOCAL}
    url = f"http://127.0.0.1:{port}"
    with http_server(command, url, "/health/liveliness", folder / "litellm.log", environment) as server:
        yield f"{server.url}/v1"


@contextmanager
def _envoy_alone(folder: Path, endpoint_port: int) -> Iterator[str]:
    """An Envoy that does nothing but forward."""
    config, (port, admin) = folder / "envoy-alone.yaml", free_ports(2)
    config.write_text(yaml.safe_dump(envoy_config(port, admin, endpoint_port)))
    command = [
        _ENVOY,
        "--disable-hot-restart",
        "--config-path",
        str(config),
        "--concurrency",
        "2",
        "--log-level",
        "error",
    ]
    with http_server(command, f"http://127.0.0.1:{admin}", "/ready", folder / "envoy-alone.log"):
        yield f"http://127.0.0.1:{port}/v1"


def envoy_config(port: int, admin: int, endpoint_port: int) -> dict[str, object]:
    """Listener on `port`, one route, one cluster."""
    types = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "alone",
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "llm"}}]}
            ]
        },
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}},
        ],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    endpoint = {"endpoint": {"address": _address(endpoint_port)}}
    assignment = {"cluster_name": "llm", "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {
        "admin": {"address": _address(admin)},
        "static_resources": {
            "listeners": [{"name": "all", "address": _address(port), "filter_chains": [chain]}],
            "clusters": [{"name": "llm", "connect_timeout": "1s", "load_assignment": assignment}],
        },
    }


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
