"""The gateway as endpoint picker: an Envoy that is configured as Gateway API implementations do it, not by us."""

from pathlib import Path
from typing import Any

import pytest

from gateway.config.groups import OpenAi
from tests.e2e.envoy_fixtures import data_plane

PICKER = OpenAi(endpoint_picker=True)
POLICIES = "type.googleapis.com/envoy.extensions.load_balancing_policies"
HEADER = {"header": "x-gateway-destination-endpoint"}
METADATA = {"metadata": {"key": "envoy.lb", "path": [{"key": "x-gateway-destination-endpoint"}]}}


def one_pool(config: dict[str, Any], source: dict[str, Any]) -> None:
    """All endpoints in one cluster without filters; who is asked stands in `source`."""
    resources = config["static_resources"]
    manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    _, ext_proc_filter, _own_lua, *rest = manager["http_filters"]
    ext_proc = ext_proc_filter["typed_config"]
    ext_proc["processing_mode"] |= {"request_body_mode": "FULL_DUPLEX_STREAMED", "response_header_mode": "SEND"}
    ext_proc["processing_mode"]["request_trailer_mode"] = "SEND"
    ext_proc["metadata_options"]["receiving_namespaces"]["untyped"] = ["envoy.lb"]
    manager["http_filters"] = [ext_proc_filter, *rest]
    manager["route_config"]["virtual_hosts"] = [
        {"name": "pool", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "pool"}}]}
    ]
    llms = [cluster for cluster in resources["clusters"] if not cluster["name"].startswith("gateway")]
    hosts = [host for llm in llms for host in llm["load_assignment"]["endpoints"][0]["lb_endpoints"]]
    pool = {
        "name": "pool",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "pool", "endpoints": [{"lb_endpoints": hosts}]},
        "load_balancing_policy": override_host(source),
    }
    resources["clusters"] = [cluster for cluster in resources["clusters"] if cluster["name"] == "gateway"] + [pool]


def override_host(source: dict[str, Any]) -> dict[str, Any]:
    """The policy by which a cluster asks the host that stands in `source`."""
    least_request = {"name": "least_request", "typed_config": {"@type": f"{POLICIES}.least_request.v3.LeastRequest"}}
    override = {
        "@type": f"{POLICIES}.override_host.v3.OverrideHost",
        "override_host_sources": [source],
        "fallback_policy": {"policies": [{"typed_extension_config": least_request}]},
    }
    return {"policies": [{"typed_extension_config": {"name": "override_host", "typed_config": override}}]}


@pytest.mark.parametrize("source", [HEADER, METADATA], ids=["header", "metadata"])
async def test_chosen_endpoint_is_asked(tmp_path: Path, source: dict[str, Any]) -> None:
    async with data_plane(tmp_path, openai_limits=PICKER, alter=lambda config: one_pool(config, source)) as plane:
        for number, llm in enumerate(("gamma", "alpha", "beta", "alpha", "gamma")):
            query = f"query {number}"
            plane.prefer(query, llm, *({"alpha", "beta", "gamma"} - {llm}))
            raw = await plane.client.chat.completions.with_raw_response.create(
                model="auto", messages=[{"role": "user", "content": query}]
            )
            assert raw.parse().model == llm
            received = plane.llms[llm].received[-1]
            assert received.headers["x-gateway-destination-endpoint"] == f"127.0.0.1:{plane.llms[llm].port}"
            assert received.headers["x-gateway-model-name"] == f"{llm}/model"
