"""What one caller can cost a gateway process, counted in bytes of its memory and in what others wait meanwhile.

A real process, hostile clients over real connections; only Triton is scripted, since it takes no part.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import pytest
import yaml

from routerdc_contract.v1 import router_pb2 as pb
from tests.support.fakes.triton import fake_triton
from tests.support.gateways.process import GatewayProcess
from tests.support.gateways.running import write

MIB = 2**20
WITHOUT_KEY_MIB, WITH_KEY_MIB = 64, 256
KEY = "sk-of-the-tests"
CREDENTIALS = (("authorization", f"Bearer {KEY}"),)
HEALTH = "/grpc.health.v1.Health/Check"
ROUTE = "/routerdc.v1.Router/Route"
BATCH, STREAM = "/routerdc.v1.Router/RouteBatch", "/routerdc.v1.Router/RouteStream"
EMPTY = b"\x0a\x00"  # the first field, a message or a string without content


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    write(tmp_path / "endpoints.yaml")
    keys = {"keys": [{"name": "team", "sha256": sha256(KEY.encode()).hexdigest()}]}
    (tmp_path / "keys.yaml").write_text(yaml.safe_dump(keys))
    files: dict[str, Any] = {"endpoints_file": tmp_path / "endpoints.yaml", "api_keys_file": tmp_path / "keys.yaml"}
    async with fake_triton() as triton:
        process = GatewayProcess(tmp_path / "gateway", **files, triton_address=triton.address, ext_proc_port=0)
        await asyncio.to_thread(process.start)
        try:
            yield process
        finally:
            await asyncio.to_thread(process.process.stop)


def code_of(address: str, method: str, message: bytes, *, key: bool = False, gzip: bool = False) -> str:
    """How a call with `message` ends, on a connection of its own."""
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
    with grpc.insecure_channel(address, options=options) as channel:
        call: Any = channel.unary_unary(method)
        try:
            call(message, timeout=30, compression=compression, metadata=CREDENTIALS if key else None)
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


async def test_endless_messages_without_api_keys_end_early(tmp_path: Path) -> None:
    write(tmp_path / "endpoints.yaml")
    async with fake_triton() as triton:
        process = GatewayProcess(
            tmp_path / "gateway", endpoints_file=tmp_path / "endpoints.yaml", triton_address=triton.address
        )
        await asyncio.to_thread(process.start)
        before = process.memory_mib()
        try:
            for method in (ROUTE, BATCH):
                ends = await at_once(4, process.address, method, b"\0" * (300 * MIB))
                assert ends == {"RESOURCE_EXHAUSTED"}
            assert process.peak_mib() - before < WITHOUT_KEY_MIB
        finally:
            await asyncio.to_thread(process.process.stop)


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
    method = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"
    assert await at_once(2, gateway.ext_proc_address, method, message) == {"INVALID_ARGUMENT"}
    assert gateway.peak_mib() - before < WITHOUT_KEY_MIB


def _varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])
