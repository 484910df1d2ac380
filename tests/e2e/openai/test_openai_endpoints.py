"""OpenAI's client through a real Envoy to endpoints of all kinds: with keys, behind TLS, under another path."""

import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import openai
import pytest
import pytest_asyncio

from tests.e2e.envoy_fixtures import Plane, data_plane
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
HELLO: Any = [{"role": "user", "content": "hello"}]
ENV_KEY, FILE_KEY = "sk-from-the-environment", "sk-from-a-file"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plane]:
    folder = tmp_path_factory.mktemp("keyed")
    (folder / "key").write_text(FILE_KEY + "\n")
    llms = {"alpha": {"api_key_env": "ALPHA_KEY"}, "gamma": {"api_key_file": str(folder / "key")}}
    async with data_plane(folder, llms=llms, environment={"ALPHA_KEY": ENV_KEY}) as plane:
        yield plane


@pytest.mark.parametrize(
    ("llm", "authorization"), [("alpha", f"Bearer {ENV_KEY}"), ("gamma", f"Bearer {FILE_KEY}"), ("beta", None)]
)
async def test_each_endpoint_gets_its_own_key_and_never_the_callers(
    keyed: Plane, llm: str, authorization: str | None
) -> None:
    keyed.reset()
    await keyed.client.chat.completions.create(model=llm, messages=HELLO)
    assert keyed.llms[llm].received[0].headers.get("Authorization") == authorization


async def test_key_of_a_failed_candidate_does_not_reach_the_next(keyed: Plane) -> None:
    keyed.reset()
    keyed.prefer("hello", "alpha", "beta", "gamma")
    keyed.llms["alpha"].behave(status=503)
    await keyed.client.chat.completions.create(model="auto", messages=HELLO)
    assert keyed.llms["alpha"].received[0].headers["Authorization"] == f"Bearer {ENV_KEY}"
    assert "Authorization" not in keyed.llms["beta"].received[0].headers


async def test_keys_are_in_no_file(keyed: Plane) -> None:
    folder = keyed.access_log.parent
    for file in ("envoy.yaml", "envoy.log", "access.log"):
        assert ENV_KEY not in (text := (folder / file).read_text())
        assert FILE_KEY not in text


async def test_two_entries_of_one_model_with_other_parameters_are_two_llms(tmp_path: Path) -> None:
    model = {"alpha": {"model": "gpt"}, "beta": {"model": "gpt"}}
    effort = {"alpha": {"parameters": {"reasoning_effort": "high", "seed": 1}}}
    effort |= {"beta": {"parameters": {"reasoning_effort": "low"}}}
    async with data_plane(tmp_path, llms=model, of_llms=effort) as plane:
        plane.prefer("hello", "alpha", "beta", "gamma")
        asked = {"messages": HELLO, "seed": 7}

        async def received(llm: str) -> Any:
            await plane.client.chat.completions.create(model="auto", **asked)
            return json.loads(plane.llms[llm].received[-1].body)

        assert await received("alpha") == asked | {"model": "gpt", "reasoning_effort": "high", "seed": 1}
        plane.llms["alpha"].behave(status=503)
        assert await received("beta") == asked | {"model": "gpt", "reasoning_effort": "low"}
        plane.llms["beta"].behave(status=503)
        assert await received("gamma") == asked | {"model": "gamma/model"}


def certificate(folder: Path) -> Path:
    """A self-signed certificate for localhost with its key, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    pem, key = folder / "localhost.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(pem)]
    subprocess.run([*command, *subject], check=True, capture_output=True)
    pem.write_bytes(pem.read_bytes() + key.read_bytes())
    return pem


async def test_https_is_checked_against_the_given_authority(tmp_path: Path) -> None:
    (others := tmp_path / "others").mkdir()
    pem = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    trusted = {"address": "https://localhost:{port}/v1", "ca_file": str(pem)}
    untrusted = {"address": "https://localhost:{port}/v1"}
    wrong_name = {"address": "https://127.0.0.1:{port}/v1", "ca_file": str(pem)}
    llms = {"alpha": trusted, "beta": untrusted, "gamma": wrong_name}
    flags = ["--system-ca", str(certificate(others))]
    async with data_plane(tmp_path, llms=llms, flags=flags, tls=dict.fromkeys(llms, context)) as plane:
        answer = await plane.client.chat.completions.create(model="alpha", messages=HELLO)
        assert answer.model == "alpha"
        assert plane.llms["alpha"].received[0].headers["Host"] == f"localhost:{plane.llms['alpha'].port}"
        for llm in ("beta", "gamma"):
            with pytest.raises(openai.InternalServerError, match="connection failure"):
                await plane.client.chat.completions.create(model=llm, messages=HELLO)
        await until(lambda: plane.access_log.read_text().count("CERTIFICATE_VERIFY_FAILED") == 2)
        plane.prefer("hello", "beta", "gamma", "alpha")
        raw = await plane.client.chat.completions.with_raw_response.create(model="auto", messages=HELLO)
        assert (raw.headers["x-routerdc-llm"], raw.headers["x-envoy-attempt-count"]) == ("alpha", "3")


async def test_gateway_is_asked_over_mutual_tls(tmp_path: Path) -> None:
    pem, key = certificate(tmp_path), tmp_path / "key.pem"
    pair = (key.read_bytes(), pem.read_bytes())
    credentials = grpc.ssl_server_credentials([pair], root_certificates=pair[1], require_client_auth=True)
    flags = ["--gateway-ca", str(pem), "--gateway-cert", str(pem), "--gateway-key", str(key)]
    async with data_plane(tmp_path, gateway_tls=credentials, flags=flags) as plane:
        raw = await plane.client.chat.completions.with_raw_response.create(model="auto", messages=HELLO)
        assert raw.headers["x-routerdc-reason"] == "routed"


async def test_each_candidate_is_asked_under_its_own_path(tmp_path: Path) -> None:
    paths = {"alpha": "/openai/v1", "beta": "", "gamma": "/v1"}
    llms = {name: {"address": "http://127.0.0.1:{port}" + path} for name, path in paths.items()}
    async with data_plane(tmp_path, llms=llms) as plane:
        plane.prefer("hello", "alpha", "beta", "gamma")
        plane.llms["alpha"].behave(status=503)
        plane.llms["beta"].behave(status=503)
        answer = await plane.client.chat.completions.create(model="auto", messages=HELLO, extra_query={"a": "b"})
        assert answer.model == "gamma"
        asked = [llm.received[0].path for llm in plane.llms.values()]
        assert asked == ["/openai/v1/chat/completions", "/chat/completions", "/v1/chat/completions"]
