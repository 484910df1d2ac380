"""Objects for Envoy Gateway as an Envoy's configuration, translated as Envoy Gateway's translator does.

What is translated are header matches and filters, the direct response, external processing (enabled route by route),
buffer limits and header removal before anything else; names and addresses of LLMs are the tests' own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.fakes.scorer import BUNDLE
from tests.support.rendered import Object, named

EXT_PROC = "envoy.filters.http.ext_proc"
TYPE = "type.googleapis.com/envoy"
OURS = "routerdc-gateway"
Objects = tuple[Object, ...]


def spec(objects: Objects, kind: str, name: str = "routerdc") -> Object:
    found: Object = named(objects, kind, name)["spec"]
    return found


def as_envoy_gateway_does(config: dict[str, Any], objects: Objects) -> None:
    """Leaves nothing of our own configuration but the clusters and the address of the gateway.

    External processors other than ours are the clusters of their Services' names, which the test has to add.
    """
    resources = config["static_resources"]
    listener = resources["listeners"][0]
    clients = spec(objects, "ClientTrafficPolicy")
    listener["per_connection_buffer_limit_bytes"] = clients["connection"]["bufferLimit"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    removals = [{"remove": name} for name in clients["headers"]["earlyRequestHeaders"]["remove"]]
    manager["early_header_mutation_extensions"] = [
        {
            "name": "early",
            "typed_config": {
                "@type": f"{TYPE}.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                "mutations": removals,
            },
        }
    ]
    _, external, *_, router = manager["http_filters"]  # between them our own
    policies = spec(objects, "EnvoyExtensionPolicy")["extProc"]
    processors = [external_processing(external, policy) for policy in policies]
    manager["http_filters"] = [*processors, router]
    of_llms = {one["name"].partition("#")[0]: one["name"] for one in resources["clusters"]}
    found = list(routes(objects, [processor["name"] for processor in processors], of_llms))
    manager["route_config"]["virtual_hosts"] = [{"name": "openai", "domains": ["*"], "routes": found}]
    for cluster in resources["clusters"]:
        if not cluster["name"].startswith("gateway"):
            del cluster["typed_extension_protocol_options"]  # our own filters


def external_processing(ours: dict[str, Any], policy: dict[str, Any]) -> dict[str, Any]:
    ((backend,), processing) = policy["backendRefs"], policy["processingMode"]
    assert processing == {"request": {"body": "Buffered"}}
    service = ours["typed_config"]["grpc_service"]
    if backend["name"] != OURS:
        service = {"envoy_grpc": {"cluster_name": backend["name"]}}
    typed = {
        "@type": ours["typed_config"]["@type"],
        "grpc_service": service,
        "failure_mode_allow": policy["failOpen"],
        "message_timeout": policy["messageTimeout"],
        "processing_mode": {
            "request_header_mode": "SEND",
            "request_body_mode": "BUFFERED",
            "request_trailer_mode": "SKIP",
            "response_header_mode": "SKIP",
            "response_body_mode": "NONE",
            "response_trailer_mode": "SKIP",
        },
    }
    if "metadata" in policy:
        typed["metadata_options"] = {"receiving_namespaces": {"untyped": policy["metadata"]["writableNamespaces"]}}
    return {"name": f"{EXT_PROC}.{backend['name']}", "disabled": True, "typed_config": typed}


def routes(objects: Objects, processors: list[str], clusters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Ours, in their order; the first LLM's rule for each LLM of the tests, to its cluster."""
    rule, *_, last = spec(objects, "HTTPRoute", "openai")["rules"]
    enabled = {name: {"@type": f"{TYPE}.config.route.v3.FilterConfig", "config": {}} for name in processors}
    (matched,) = rule["matches"][0]["headers"]
    requests, responses = rule["filters"]
    for llm in BUNDLE.llms:
        header = {"name": matched["name"], "string_match": {"exact": llm}}
        yield {
            "match": {"prefix": "/", "headers": [header]},
            "route": {"cluster": clusters[llm], "timeout": rule["timeouts"]["request"]},
            "request_headers_to_remove": requests["requestHeaderModifier"]["remove"],
            "response_headers_to_remove": responses["responseHeaderModifier"]["remove"],
            "response_headers_to_add": [
                {"header": {"key": one["name"], "value": llm}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
                for one in responses["responseHeaderModifier"]["set"]
            ],
            "typed_per_filter_config": enabled,
        }
    answer = spec(objects, "HTTPRouteFilter", last["filters"][0]["extensionRef"]["name"])["directResponse"]
    direct = {"status": answer["statusCode"], "body": {"inline_string": answer["body"]["inline"]}}
    yield {"match": {"prefix": "/"}, "direct_response": direct, "typed_per_filter_config": enabled}
