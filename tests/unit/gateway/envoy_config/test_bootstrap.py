"""The rendered configuration: what is in it, what must never be, and that the real Envoy takes it."""

import json
from pathlib import Path
from typing import Any

import certifi
import pytest
import yaml
from click.testing import CliRunner, Result

from gateway.envoy_config.command import envoy_config
from tests.unit.gateway.envoy_config.real_envoy import validate

POOL = """
default: [small]
virtual_models:
  auto: {}
  best: {allowed: [large], default: [large]}
llms:
  small:
    endpoints:
      - {address: "http://10.0.0.1:8000/v1", model: org/small}
      - {address: "http://10.0.0.2:8000/v1", model: org/small, in_use: false}
      - {address: "http://10.0.0.3:8000/v1", model: org/small}
  large:
    endpoints:
      - {address: "https://api.example.com/v1", model: large-2, api_key_env: LARGE_KEY}
      - {address: "https://other.example.com/openai/v1", model: 'la"rge', api_key_file: KEY_FILE, ca_file: CA_FILE}
"""


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    file = tmp_path / "endpoints.yaml"
    text = POOL.replace("KEY_FILE", str(tmp_path / "key")).replace("CA_FILE", str(tmp_path / "ca.pem"))
    file.write_text(text, encoding="utf-8")
    (tmp_path / "key").write_text("sk-secret-in-a-file")
    return file


def render(pool: Path, *flags: object) -> Result:
    result = CliRunner().invoke(
        envoy_config, ["--endpoints", str(pool), *map(str, flags)], env={"LARGE_KEY": "sk-secret"}
    )
    assert result.exit_code == 0, result.output
    return result


def rendered(pool: Path, *flags: object) -> dict[str, Any]:
    data: dict[str, Any] = yaml.load(render(pool, *flags).output, Loader=yaml.CSafeLoader)
    return data


@pytest.fixture
def config(pool: Path) -> dict[str, Any]:
    return rendered(pool)


def cluster(config: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (one for one in config["static_resources"]["clusters"] if one["name"] == name)
    result: dict[str, Any] = found
    return result


def clusters(config: dict[str, Any], llm: str) -> list[dict[str, Any]]:
    return [one for one in config["static_resources"]["clusters"] if one["name"].startswith(f"{llm}#")]


def names(config: dict[str, Any], llm: str) -> list[str]:
    return [one["name"] for one in clusters(config, llm)]


def filters(cluster: dict[str, Any]) -> dict[str, Any]:
    (options,) = cluster["typed_extension_protocol_options"].values()
    return {one["name"].rpartition(".")[2]: one["typed_config"] for one in options["http_filters"]}


def manager(config: dict[str, Any]) -> dict[str, Any]:
    chain = config["static_resources"]["listeners"][0]["filter_chains"][0]
    result: dict[str, Any] = chain["filters"][0]["typed_config"]
    return result


def llm_route(config: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = manager(config)["route_config"]["virtual_hosts"][0]["routes"][0]
    return result


def test_alike_endpoints_in_use_are_one_cluster(config: dict[str, Any]) -> None:
    (small,) = clusters(config, "small")
    hosts = small["load_assignment"]["endpoints"][0]["lb_endpoints"]
    addresses = [host["endpoint"]["address"]["socket_address"] for host in hosts]
    assert addresses == [{"address": f"10.0.0.{n}", "port_value": 8000} for n in (1, 3)]
    assert "transport_socket" not in small
    assert (small["type"], small["lb_policy"]) == ("STATIC", "LEAST_REQUEST")
    assert small["outlier_detection"]["consecutive_5xx"] == 5


def test_https_checks_name_and_authority(config: dict[str, Any], tmp_path: Path) -> None:
    trusted = []
    for large, host in zip(clusters(config, "large"), ("api.example.com", "other.example.com"), strict=True):
        context = large["transport_socket"]["typed_config"]
        assert (context["sni"], context["auto_sni_san_validation"]) == (host, True)
        trusted.append(context["common_tls_context"]["validation_context"]["trusted_ca"]["filename"])
    assert trusted == ["/etc/ssl/certs/ca-certificates.crt", str(tmp_path / "ca.pem")]


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("http://h/v1", "h"),
        ("http://h:80/v1", "h"),
        ("http://h:8000/v1", "h:8000"),
        ("https://h:443/v1", "h"),
        ("https://h:80/v1", "h:80"),
        ("http://[::1]:8000/v1", "[::1]:8000"),
        ("http://[::1]/v1", "[::1]"),
    ],
)
def test_host_header_keeps_a_port_that_is_not_the_schemes_own(tmp_path: Path, address: str, host: str) -> None:
    file = tmp_path / "endpoints.yaml"
    file.write_text(json.dumps({"default": ["a"], "llms": {"a": {"endpoints": [{"address": address, "model": "m"}]}}}))
    (found,) = clusters(rendered(file), "a")
    (one,) = found["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert one["endpoint"]["hostname"] == host


def test_address_without_a_path_gets_a_hint(tmp_path: Path) -> None:
    file = tmp_path / "endpoints.yaml"
    file.write_text("default: [a]\nllms: {a: {endpoints: [{address: 'http://h:8000', model: m}]}}")
    assert "llms.a.endpoints.0.address: http://h:8000 has no path" in render(file).stderr


def test_keys_are_named_and_never_written(pool: Path, config: dict[str, Any], tmp_path: Path) -> None:
    secrets = {one["name"]: one["generic_secret"]["secret"] for one in config["static_resources"]["secrets"]}
    first, second = names(config, "large")
    assert secrets == {first: {"environment_variable": "LARGE_KEY"}, second: {"filename": str(tmp_path / "key")}}
    assert "sk-secret" not in render(pool).output
    assert all("credential_injector" in filters(one) for one in clusters(config, "large"))
    assert all("credential_injector" not in filters(one) for one in clusters(config, "small"))


def test_callers_headers_are_dropped_before_a_key_is_added(config: dict[str, Any]) -> None:
    assert list(filters(clusters(config, "large")[0])) == ["lua", "credential_injector", "upstream_codec"]


def test_without_gateway_each_model_has_its_candidates(config: dict[str, Any]) -> None:
    candidates = llm_route(config)["metadata"]["filter_metadata"]["envoy.filters.http.lua"]["candidates"]
    small, large = names(config, "small"), names(config, "large")
    assert candidates == {"auto": [*small, *small, *large], "best": large, "small": [*small, *small], "large": large}


def test_answers_may_stream_for_ever_but_must_begin_and_go_on(pool: Path) -> None:
    flags = ("--first-byte-timeout-seconds", 7, "--idle-timeout-seconds", 8)
    action = llm_route(rendered(pool, *flags))["route"]
    assert action["timeout"] == "0s"
    assert action["retry_policy"]["per_try_timeout"] == "7s"
    assert action["retry_policy"]["per_try_idle_timeout"] == "8s"
    assert action["idle_timeout"] == "36s"
    assert action["retry_policy"]["refresh_cluster_on_retry"] is True


def test_access_log_has_no_body_and_no_query(config: dict[str, Any]) -> None:
    logged = manager(config)["access_log"][0]["typed_config"]["log_format"]["json_format"]
    assert logged["path"] == "%PATH(NQ):256%"
    assert not [value for value in logged.values() if "BODY" in value or "AUTHORIZATION" in value.upper()]


def test_requests_go_on_without_a_decision(config: dict[str, Any]) -> None:
    ext_proc = next(f["typed_config"] for f in manager(config)["http_filters"] if "ext_proc" in f["name"])
    assert ext_proc["failure_mode_allow"] is True
    gateway = cluster(config, "gateway")
    assert gateway["health_checks"][0]["grpc_health_check"] == {"service_name": "live"}


def test_same_input_gives_the_same_text(pool: Path) -> None:
    assert render(pool).output == render(pool).output


def test_wrong_endpoints_file_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(envoy_config, ["--endpoints", str(tmp_path / "none.yaml")])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "none.yaml" in result.output


@pytest.mark.parametrize("flags", [["--gateway-cert", "/c"], ["--gateway-cert", "/c", "--gateway-key", "/k"]])
def test_half_of_mutual_tls_is_refused(pool: Path, flags: list[str]) -> None:
    result = CliRunner().invoke(envoy_config, ["--endpoints", str(pool), *flags])
    assert result.exit_code == 2
    assert "--gateway-ca" in result.output


@pytest.mark.parametrize("model", [" padded", "two\\nlines"])
def test_model_name_that_no_header_can_hold_is_refused(tmp_path: Path, model: str) -> None:
    file = tmp_path / "endpoints.yaml"
    file.write_text(
        POOL.replace("KEY_FILE", "/k").replace("CA_FILE", "/c").replace("org/small", f'"{model}"'), encoding="utf-8"
    )
    result = CliRunner().invoke(envoy_config, ["--endpoints", str(file)])
    assert result.exit_code == 1
    assert "llms.small.endpoints.0.model" in result.output


@pytest.mark.parametrize("address", ["10000", "host:", "host:70000", ":1"])
def test_wrong_address_is_refused(pool: Path, address: str) -> None:
    result = CliRunner().invoke(envoy_config, ["--endpoints", str(pool), "--listen", address])
    assert result.exit_code == 2
    assert "HOST:PORT" in result.output


def test_a_listener_on_every_address_takes_both_protocols(pool: Path) -> None:
    """Pods may have IPv6 addresses alone, and IPv4 ones alone: one configuration is for both."""
    config = rendered(pool, "--listen", "[::]:10000", "--metrics", "[::]:9902")
    addresses = [one["address"]["socket_address"] for one in config["static_resources"]["listeners"]]
    assert [(one["address"], one["ipv4_compat"]) for one in addresses] == [("::", True)] * 2


@pytest.mark.parametrize("mode", ["buffered", "duplex"])
@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_envoy_takes_it(pool: Path, tmp_path: Path, mode: str, suffix: str) -> None:
    out = tmp_path / f"envoy.{suffix}"
    (tmp_path / "ca.pem").write_bytes(Path(certifi.where()).read_bytes())
    more = ("--metrics", "127.0.0.1:9902", "--cors-origin", "*")
    render(pool, "--out", out, "--body-mode", mode, "--system-ca", certifi.where(), *more)
    if suffix == "json":
        json.loads(out.read_text())
    validate(out)


def test_a_caller_who_reads_nothing_is_not_waited_for(config: dict[str, Any]) -> None:
    (listener,) = config["static_resources"]["listeners"]
    assert listener["per_connection_buffer_limit_bytes"] == 2 * 2**20
    assert listener["per_connection_buffer_high_watermark_timeout"] == "30s"


def test_requests_of_one_connection_take_turns_with_others(config: dict[str, Any]) -> None:
    (layer,) = config["layered_runtime"]["layers"]
    assert layer["static_layer"] == {"http.max_requests_per_io_cycle": 5}


def test_no_traces_unless_asked_for(config: dict[str, Any]) -> None:
    assert "tracing" not in manager(config)
    assert "otlp" not in {one["name"] for one in config["static_resources"]["clusters"]}


def test_traces_go_to_the_collector_and_the_caller_else_the_share_decides(pool: Path) -> None:
    config = rendered(pool, "--otlp", "collector.example.com:4317", "--trace-share", 0.05)
    tracing = manager(config)["tracing"]
    tracer = tracing["provider"]["typed_config"]
    assert tracing["provider"]["name"] == "envoy.tracers.opentelemetry"
    assert tracer["grpc_service"]["envoy_grpc"] == {"cluster_name": "otlp"}
    assert tracer["sampler"]["name"].endswith("parent_based")
    by_share = tracer["sampler"]["typed_config"]["wrapped_sampler"]["typed_config"]["sampling_percentage"]
    assert by_share == {"numerator": 50_000, "denominator": "MILLION"}
    assert {"tag": "http.url", "value": "%PATH(NQ)%"} in tracing["custom_tags"]
    collector = cluster(config, "otlp")
    (host,) = collector["load_assignment"]["endpoints"][0]["lb_endpoints"]
    expected = {"address": "collector.example.com", "port_value": 4317}
    assert (host["endpoint"]["address"]["socket_address"], collector["type"]) == (expected, "STRICT_DNS")
    (options,) = collector["typed_extension_protocol_options"].values()
    assert "http2_protocol_options" in options["explicit_http_config"]


@pytest.mark.parametrize("flags", [["--otlp", "4317"], ["--otlp", "c:4317", "--trace-share", "1.5"]])
def test_wrong_tracing_flags_are_refused(pool: Path, flags: list[str]) -> None:
    result = CliRunner().invoke(envoy_config, ["--endpoints", str(pool), *flags])
    assert result.exit_code == 2
    assert flags[-2] in result.output


@pytest.mark.parametrize(
    ("flags", "environment", "fails_open"),
    [((), {}, True), (("--fail-closed",), {}, False), ((), {"ROUTERDC_API_KEYS_FILE": "/etc/keys.yaml"}, False)],
)
def test_with_api_keys_nothing_passes_without_a_gateway(
    pool: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], environment: dict[str, str], fails_open: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    config = rendered(pool, *flags)
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    ext_proc = next(f["typed_config"] for f in manager["http_filters"] if "ext_proc" in f["name"])
    assert ext_proc.get("failure_mode_allow", False) is fails_open
    told = [(one["key"], one["value"]) for one in ext_proc["grpc_service"].get("initial_metadata", [])]
    assert told == ([("x-routerdc-failure-mode", "open")] if fails_open else [])


def test_metrics_are_apart_from_the_admin_pages_and_only_where_asked_for(pool: Path) -> None:
    flags = ("--admin", "127.0.0.1:9901", "--metrics", "0.0.0.0:9902")
    plain, scraped = (rendered(pool, *some)["static_resources"] for some in ((), flags))
    assert [one["name"] for one in plain["listeners"]] == ["openai"]
    (listener,) = (one for one in scraped["listeners"] if one["name"] == "metrics")
    (route,) = listener["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]
    assert (route["match"], route["route"]["prefix_rewrite"]) == ({"path": "/metrics"}, "/stats/prometheus")
