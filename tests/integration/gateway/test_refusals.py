"""Refusals leave nothing behind: a connection that has seen thousands of them still serves."""

import asyncio

import grpc
import pytest
from grpc import aio

from gateway.app.listening.ports import MAX_CONCURRENT_CALLS
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc
from tests.integration.gateway.conftest import StartGateway

AT_ONCE = 8


async def test_a_connection_outlives_thousands_of_refusals(start_gateway: StartGateway) -> None:
    process = await start_gateway()
    async with aio.insecure_channel(process.address, options=[("grpc.enable_retries", 0)]) as channel:
        stub = router_pb2_grpc.RouterStub(channel)
        for _ in range(5 * MAX_CONCURRENT_CALLS // AT_ONCE):
            codes = await asyncio.gather(*(_code_of_nothing(stub) for _ in range(AT_ONCE)))
            assert set(codes) == {grpc.StatusCode.INVALID_ARGUMENT}


async def _code_of_nothing(stub: "router_pb2_grpc.RouterStub") -> grpc.StatusCode:
    with pytest.raises(aio.AioRpcError) as refused:
        await stub.Route(pb.RouteRequest(), timeout=10)  # type: ignore[misc]  # the stubs are of grpc without asyncio
    return refused.value.code()
