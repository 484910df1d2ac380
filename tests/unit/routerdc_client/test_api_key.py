"""Every call of both clients carries the API key: a server of the whole service descriptor writes down who calls."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from routerdc_client import AsyncRouterClient, RouterClient, route_request
from routerdc_contract.v1 import router_pb2 as pb
from tests.support.fakes.recording_server import recording_server

METHODS = [method.name for method in pb.DESCRIPTOR.services_by_name["Router"].methods]
ENDPOINT = pb.Endpoint(address="http://beta.test/v1", model="beta")

SYNC: dict[str, Callable[[RouterClient], object]] = {
    "Route": lambda router: router.route("q"),
    "RouteBatch": lambda router: router.route_batch([route_request("q")]),
    "RouteStream": lambda router: list(router.route_stream(iter([route_request("q", request_id="1")]))),
    "ReportOutcome": lambda router: router.report_outcome(ENDPOINT, pb.OUTCOME_OK),
    "ListLlms": lambda router: router.list_llms(),
}


async def stream(router: AsyncRouterClient) -> None:
    async def requests() -> AsyncIterator[pb.RouteRequest]:
        yield route_request("q", request_id="1")

    async for _ in router.route_stream(requests()):
        pass


ASYNC: dict[str, Callable[[AsyncRouterClient], Any]] = {
    "Route": lambda router: router.route("q"),
    "RouteBatch": lambda router: router.route_batch([route_request("q")]),
    "RouteStream": stream,
    "ReportOutcome": lambda router: router.report_outcome(ENDPOINT, pb.OUTCOME_OK),
    "ListLlms": lambda router: router.list_llms(),
}


@pytest.fixture
def calls() -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    with recording_server(pb.DESCRIPTOR.services_by_name["Router"]) as (address, seen):
        yield address, seen


@pytest.mark.parametrize("method", METHODS)
def test_the_sync_client_sends_the_key(calls: tuple[str, list[tuple[str, dict[str, str]]]], method: str) -> None:
    address, seen = calls
    with RouterClient(address, api_key="secret") as router:
        SYNC[method](router)
    assert [(name, headers.get("authorization")) for name, headers in seen] == [(method, "Bearer secret")]


@pytest.mark.parametrize("method", METHODS)
async def test_the_async_client_sends_the_key(calls: tuple[str, list[tuple[str, dict[str, str]]]], method: str) -> None:
    address, seen = calls
    async with AsyncRouterClient(address, api_key="secret") as router:
        await ASYNC[method](router)
    assert [(name, headers.get("authorization")) for name, headers in seen] == [(method, "Bearer secret")]


@pytest.mark.parametrize("key", ["", "key\n", " key", "schlüssel", "a\nb"])
def test_a_key_that_cannot_travel_in_a_header_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="api_key: must be printable ASCII") as error:
        RouterClient(api_key=key)
    assert not key or key not in str(error.value)
