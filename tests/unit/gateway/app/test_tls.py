"""TLS of a live gateway, with certificates that a test authority makes and replaces."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from click.testing import CliRunner
from cryptography import x509

from gateway.app.listening import tls
from gateway.app.server import serving
from gateway.config import settings
from gateway.config.groups import CertificateFiles
from gateway.errors import SettingsError, TlsError
from routerdc_client import AsyncRouterClient, ClientTls, RouteError
from routerdc_client.route_command import route
from tests.support.fakes.triton import fake_triton
from tests.support.gateways.running import write
from tests.support.waiting import until

AUTHORITY = trustme.CA()


def issue(folder: Path, name: str = "server", authority: trustme.CA = AUTHORITY) -> int:
    """Writes a new certificate for this machine to folder/name.crt and .key; returns its serial number."""
    issued = authority.issue_cert("localhost", "127.0.0.1")
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    for suffix, content in ((".key", issued.private_key_pem.bytes()), (".crt", chain)):
        draft = folder / "draft"
        draft.write_bytes(content)
        draft.replace(folder / f"{name}{suffix}")
    return x509.load_pem_x509_certificate(chain).serial_number


def served_serial(port: int) -> int:
    """Serial number of the certificate that a new connection to `port` is shown."""
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode()).serial_number


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """endpoints.yaml, the authority's certificate, and those of the gateway and of a caller."""
    write(tmp_path / "endpoints.yaml")
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.crt")
    issue(tmp_path)
    issue(tmp_path, "caller")
    return tmp_path


@pytest.fixture
def chosen(folder: Path) -> Callable[..., settings.Settings]:
    def _chosen(triton: str, **changes: Any) -> settings.Settings:
        flags = {"port": 0, "metrics_port": 0, "endpoints_file": folder / "endpoints.yaml", "triton_address": triton}
        files = {"tls_cert_file": folder / "server.crt", "tls_key_file": folder / "server.key"}
        return settings.load(None, {**flags, **files, "reload_interval_seconds": 0.02, "deadline_ms": 5000, **changes})

    return _chosen


async def test_a_caller_that_trusts_the_authority_is_answered_and_others_are_not(
    folder: Path, chosen: Callable[..., settings.Settings]
) -> None:
    stranger = folder / "stranger.crt"
    trustme.CA().cert_pem.write_to_path(stranger)
    async with fake_triton() as triton, serving(chosen(triton.address)) as ports:
        address = f"127.0.0.1:{ports.grpc}"
        async with AsyncRouterClient(address, tls=ClientTls(folder / "ca.crt")) as router:
            assert (await router.route("q", deadline_ms=5000)).llm == "beta"
        for distrusting in (None, ClientTls(stranger)):
            async with AsyncRouterClient(address, tls=distrusting) as router:
                with pytest.raises(RouteError) as error:
                    await router.route("q", deadline_ms=500)
                assert error.value.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


async def test_replaced_certificates_are_used_for_new_connections_and_old_ones_go_on(
    folder: Path, chosen: Callable[..., settings.Settings]
) -> None:
    async with (
        fake_triton() as triton,
        serving(chosen(triton.address)) as ports,
        AsyncRouterClient(f"127.0.0.1:{ports.grpc}", tls=ClientTls(folder / "ca.crt")) as router,
    ):
        await router.route("before", deadline_ms=5000)
        for _ in range(2):
            serial = issue(folder)
            await until(lambda serial=serial: served_serial(ports.grpc) == serial)  # type: ignore[misc]
            assert (await router.route("after", deadline_ms=5000)).llm == "beta"


async def test_files_that_do_not_fit_together_leave_the_old_certificate_in_use(
    folder: Path, chosen: Callable[..., settings.Settings], events: list[Any]
) -> None:
    async with fake_triton() as triton, serving(chosen(triton.address)) as ports:
        serial = served_serial(ports.grpc)
        (folder / "caller.key").replace(folder / "server.key")
        await until(lambda: any(event["event"].startswith("not reloaded") for event in events))
        assert served_serial(ports.grpc) == serial
        serial = issue(folder)
        await until(lambda: served_serial(ports.grpc) == serial)


async def test_mutual_tls_refuses_callers_without_a_certificate_of_the_authority(
    folder: Path, chosen: Callable[..., settings.Settings]
) -> None:
    issue(folder, "stranger", trustme.CA())
    async with (
        fake_triton() as triton,
        serving(chosen(triton.address, tls_client_ca_file=folder / "ca.crt")) as ports,
    ):
        address, answers = f"127.0.0.1:{ports.grpc}", []
        for name in ("caller", "stranger", None):
            own = (folder / f"{name}.crt", folder / f"{name}.key") if name else (None, None)
            async with AsyncRouterClient(address, tls=ClientTls(folder / "ca.crt", *own)) as router:
                try:
                    answers.append((await router.route("q", deadline_ms=1000)).llm)
                except RouteError as error:
                    answers.append(error.code.name)
    assert answers[0] == "beta"
    assert set(answers[1:]) <= {"UNAVAILABLE", "DEADLINE_EXCEEDED"}


@pytest.mark.parametrize("broken", ["server.crt", "server.key", "ca.crt"])
@pytest.mark.parametrize("content", [None, "not PEM"])
def test_a_file_that_is_no_good_is_refused_by_name(folder: Path, broken: str, content: str | None) -> None:
    path = folder / broken
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(TlsError, match=broken):
        tls.read(CertificateFiles(folder / "server.crt", folder / "server.key", folder / "ca.crt"))


@pytest.mark.parametrize("names", [{"tls_cert_file"}, {"tls_key_file"}, {"tls_client_ca_file"}])
def test_settings_that_are_not_whole_are_refused(names: set[str]) -> None:
    with pytest.raises(SettingsError, match="tls_cert_file"):
        settings.load(None, dict.fromkeys(names, "x.pem"))


def test_route_wants_certificate_and_key_together(folder: Path) -> None:
    result = CliRunner().invoke(route, ["q", "--cert-file", str(folder / "caller.crt")])
    assert result.exit_code == 2
    assert "--cert-file and --key-file" in result.output
