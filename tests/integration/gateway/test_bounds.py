"""What one caller can cost a gateway process, counted in bytes of its memory and in what others wait meanwhile.

A real process, hostile clients over real connections; only Triton is scripted, since it takes no part.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import pytest
import yaml

from routerdc_contract.v1 import router_pb2 as pb
from tests.integration.gateway.conftest import StartGateway
from tests.support.gateways.process import GatewayProcess

MIB = 2**20
WITHOUT_KEY_MIB, WITH_KEY_MIB = 64, 256
KEY = "sk-of-the-tests"
CREDENTIALS = (("authorization", f"Bearer {KEY}"),)
HEALTH = "/grpc.health.v1.Health/Check"
ROUTE = "/routerdc.v1.Router/Route"
BATCH, STREAM = "/routerdc.v1.Router/RouteBatch", "/routerdc.v1.Router/RouteStream"
PROCESS = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"
EMPTY = b"\x0a\x00"  # the first field, a message or a string without content


@pytest.fixture
async def gateway(start_gateway: StartGateway, tmp_path: Path) -> GatewayProcess:
    keys = {"keys": [{"name": "team", "sha256": sha256(KEY.encode()).hexdigest()}]}
    (tmp_path / "keys.yaml").write_text(yaml.safe_dump(keys))
    return await start_gateway(api_keys_file=tmp_path / "keys.yaml", ext_proc_port=0)


def code_of(address: str, method: str, message: bytes, *, key: bool = False, gzip: bool = False) -> str:
    """How a call with `message` ends, on a connection of its own."""
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
    with grpc.insecure_channel(address, options=options) as channel:
        call: Any = channel.unary_unary(method)
        try:
            call(message, timeout=120, compression=compression, metadata=CREDENTIALS if key else None)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


async def at_once(callers: int, *call: object, **options: bool) -> set[str]:
    with ThreadPoolExecutor(callers) as threads:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(threads, lambda: code_of(*call, **options)) for _ in range(callers)]  # type: ignore[arg-type]
        return set(await asyncio.gather(*calls))


@pytest.mark.parametrize(
    ("method", "gzip", "ends"),
    [
        (HEALTH, True, "UNIMPLEMENTED"),
        (HEALTH, False, "RESOURCE_EXHAUSTED"),
        (BATCH, False, "UNAUTHENTICATED"),
        (STREAM, True, "UNIMPLEMENTED"),
    ],
)
async def test_four_callers_without_a_key_cost_little(
    gateway: GatewayProcess, method: str, gzip: bool, ends: str
) -> None:
    before = gateway.memory_mib()
    assert await at_once(4, gateway.address, method, b"\0" * (200 * MIB), gzip=gzip) == {ends}
    assert gateway.peak_mib() - before < WITHOUT_KEY_MIB  # all four call from one host


@pytest.mark.parametrize(("method", "callers"), [(ROUTE, 1), (ROUTE, 8), (STREAM, 1), (STREAM, 8)])
async def test_endless_messages_of_a_caller_with_a_key_end_early(
    gateway: GatewayProcess, method: str, callers: int
) -> None:
    before = gateway.memory_mib()
    assert await at_once(callers, gateway.address, method, b"\0" * (300 * MIB), key=True) == {"RESOURCE_EXHAUSTED"}
    assert gateway.peak_mib() - before < WITH_KEY_MIB
    assert code_of(gateway.address, HEALTH, b"") == "OK"


async def test_endless_messages_without_api_keys_end_early(start_gateway: StartGateway) -> None:
    process = await start_gateway()
    before = process.memory_mib()
    for method in (ROUTE, BATCH):
        assert await at_once(4, process.address, method, b"\0" * (300 * MIB)) == {"RESOURCE_EXHAUSTED"}
    assert process.peak_mib() - before < WITHOUT_KEY_MIB


async def test_a_message_of_millions_of_empty_parts_is_refused_before_it_grows(gateway: GatewayProcess) -> None:
    before = gateway.memory_mib()
    one_chat = b"\x12" + _varint(2 * MIB) + EMPTY * MIB
    for method, message in ((BATCH, EMPTY * (2 * MIB - 16)), (ROUTE, one_chat)):
        assert await at_once(2, gateway.address, method, message, key=True) == {"INVALID_ARGUMENT"}
    assert gateway.peak_mib() - before < WITHOUT_KEY_MIB


async def test_streams_that_nobody_reads_are_held_back(gateway: GatewayProcess) -> None:
    """Each message is refused for its long id, and nothing of it is repeated at length."""
    before, done = gateway.memory_mib(), Event()

    def requests() -> Iterator[bytes]:
        for i in range(100):
            yield pb.RouteRequest(query="x", request_id=f"{i}" + "r" * (3 * MIB)).SerializeToString()
        done.wait()

    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(gateway.address, options=options) for _ in range(8)]
    streams: list[Any] = [channel.stream_stream(STREAM) for channel in channels]
    calls = [stream(requests(), metadata=CREDENTIALS) for stream in streams]
    try:
        await asyncio.sleep(4)
        assert gateway.peak_mib() - before < WITH_KEY_MIB
    finally:
        done.set()
        for call, channel in zip(calls, channels, strict=True):
            call.cancel()
            channel.close()


async def test_envoys_port_refuses_millions_of_empty_headers(gateway: GatewayProcess) -> None:
    before = gateway.memory_mib()
    headers = EMPTY * (3 * MIB)  # HeaderMap.headers
    inner = b"\x0a" + _varint(len(headers)) + headers  # HttpHeaders.headers
    message = b"\x12" + _varint(len(inner)) + inner  # ProcessingRequest.request_headers
    assert await at_once(2, gateway.ext_proc_address, PROCESS, message) == {"INVALID_ARGUMENT"}
    assert gateway.peak_mib() - before < WITHOUT_KEY_MIB


async def test_unfinished_bodies_at_the_http_port_cost_little(start_gateway: StartGateway) -> None:
    """Each of a hundred connections sends all but the end of the largest body that is taken."""
    process = await start_gateway(http_port=0)
    before, host, port = process.memory_mib(), *process.http_address.split(":")
    body = b'{"state": "' + b"a" * MIB
    head = f"POST /v1/systemone HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body) + 10}\r\n\r\n".encode()
    writers = []
    try:
        for _ in range(100):
            _, writer = await asyncio.open_connection(host, int(port))
            writers.append(writer)
            writer.write(head + body)
        async with asyncio.timeout(60):
            while not await _is_refused(host, int(port), head + body):
                pass
        assert process.peak_mib() - before < WITHOUT_KEY_MIB
    finally:
        for writer in writers:
            writer.transport.abort()


async def _is_refused(host: str, port: int, request: bytes) -> bool:
    """Whether there is no room for the body of `request`, which is not whole."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request)
    try:
        async with asyncio.timeout(1):
            return b" 429 " in await reader.readline()
    except TimeoutError:
        return False
    finally:
        writer.transport.abort()


def _varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])
