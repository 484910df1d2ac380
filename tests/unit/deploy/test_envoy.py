"""The real Envoy as a child: ready when it says so, clear words where it cannot start, gone when it is stopped."""

import http.client
import socket
from pathlib import Path

import pytest
import yaml

from deploy.local.envoy import Envoy
from deploy.local.processes.ports import PortError
from deploy.local.processes.process import ProcessError

TYPES = "type.googleapis.com/envoy.extensions.filters"


def config(folder: Path, port: int = 0, admin_port: int = 0, **more: object) -> Path:
    """An Envoy that answers everything with 200."""
    answer = {
        "name": "answer",
        "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
    }
    manager = {
        "@type": f"{TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "route_config": {"virtual_hosts": [answer]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPES}.http.router.v3.Router"},
            }
        ],
    }
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    admin = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin_port}}}
    file = folder / "envoy.yaml"
    file.write_text(yaml.safe_dump({"admin": admin, "static_resources": {"listeners": [listener]}} | more))
    return file


def get(address: str) -> int:
    connection = http.client.HTTPConnection(address, timeout=5)
    connection.request("GET", "/")
    return connection.getresponse().status


def test_serves_on_a_free_port_and_is_gone_afterwards(tmp_path: Path) -> None:
    with Envoy(config(tmp_path), log=tmp_path / "envoy.log") as envoy:
        assert get(envoy.address) == 200
        assert envoy.base_url == f"http://{envoy.address}/v1"
        process = envoy.process
    assert not process.running
    with pytest.raises(OSError, match="refused"):
        get(envoy.address)


def test_two_run_side_by_side(tmp_path: Path) -> None:
    file = config(tmp_path)
    with Envoy(file, log=tmp_path / "1.log") as first, Envoy(file, log=tmp_path / "2.log") as second:
        assert first.address != second.address
        assert get(first.address) == get(second.address) == 200


@pytest.mark.parametrize("which", ["port", "admin_port"])
def test_port_in_use_is_named(tmp_path: Path, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError, match=str(port)):
            Envoy(config(tmp_path, **{which: port}), log=tmp_path / "envoy.log").start()


def test_configuration_that_envoy_refuses_is_said_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="no_such_field"):
        Envoy(config(tmp_path, no_such_field=1), log=tmp_path / "envoy.log").start()
