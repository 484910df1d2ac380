"""One HTTP request as Envoy tells it: however its body is cut, whatever comes in whatever order."""

import gzip
import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from backports import zstd
from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.ext_proc.v3 import processing_mode_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2 as pb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import BudgetExceededError
from gateway.limits.budget import Budget
from gateway.openai.exchange import Exchange
from gateway.openai.mutations import ENDPOINT_HEADER, MAX_CHUNK_BYTES
from gateway.openai.routing import Routing
from tests.unit.gateway.openai.conftest import MakeRouting

MODE = processing_mode_pb2.ProcessingMode
BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}], "user": "é" * 50}).encode()
ROUTED = BODY.replace(b'"auto"', b'"beta-model"')
same_routing = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def headers(
    method: str = "POST",
    path: str = "/v1/chat/completions",
    mode: int = MODE.BUFFERED,
    *,
    ends: bool = False,
    **more: str,
) -> pb.ProcessingRequest:
    pairs = {":method": method, ":path": path} | {name.replace("_", "-"): value for name, value in more.items()}
    values = [base_pb2.HeaderValue(key=key, raw_value=value.encode()) for key, value in pairs.items()]
    return pb.ProcessingRequest(
        request_headers=pb.HttpHeaders(headers=base_pb2.HeaderMap(headers=values), end_of_stream=ends),
        protocol_config=pb.ProtocolConfiguration(request_body_mode=mode, response_body_mode=mode),
    )


def body(data: bytes, *, ends: bool = True) -> pb.ProcessingRequest:
    return pb.ProcessingRequest(request_body=pb.HttpBody(body=data, end_of_stream=ends))


TRAILERS = pb.ProcessingRequest(request_trailers=pb.HttpTrailers())


async def answers(routing: Routing, *requests: pb.ProcessingRequest) -> list[pb.ProcessingResponse]:
    memory = Budget(2**30, "bytes")
    exchange = Exchange(routing, memory)
    responses = [response for request in requests for response in await exchange.answer(request)]
    exchange.close()
    assert memory.held == 0
    return responses


def kinds(responses: Sequence[pb.ProcessingResponse]) -> list[str]:
    return [response.WhichOneof("response") for response in responses]


def set_headers(common: pb.CommonResponse) -> dict[str, str]:
    return {option.header.key: option.header.raw_value.decode() for option in common.header_mutation.set_headers}


def streamed(responses: Sequence[pb.ProcessingResponse]) -> list[pb.StreamedBodyResponse]:
    return [r.request_body.response.body_mutation.streamed_response for r in responses if r.HasField("request_body")]


def refusal(responses: Sequence[pb.ProcessingResponse]) -> tuple[int, str]:
    immediate = responses[-1].immediate_response
    return immediate.status.code, json.loads(immediate.body)["error"]["message"]


async def test_buffered_body_comes_back_whole_with_everything_that_routes_it(routing: Routing) -> None:
    first, second = await answers(routing, headers(), body(BODY))
    assert first == pb.ProcessingResponse(request_headers=pb.HeadersResponse(response=pb.CommonResponse()))
    common = second.request_body.response
    assert common.body_mutation.body == ROUTED
    assert common.clear_route_cache
    told = {"x-routerdc-llm": "beta", "x-gateway-model-name": "beta-model", "x-envoy-max-retries": "2"}
    assert set_headers(common) == told | {"content-length": str(len(ROUTED))}
    groups = second.dynamic_metadata["routerdc.candidates"]["priority_groups"]
    assert [group["name"].partition("#")[0] for group in groups] == ["beta", "alpha", "gamma"]
    assert second.dynamic_metadata["routerdc"]["reason"] == "routed"


async def test_duplex_headers_wait_for_the_body(routing: Routing) -> None:
    exchange = Exchange(routing, Budget(2**20, "bytes"))
    assert await exchange.answer(headers(mode=MODE.FULL_DUPLEX_STREAMED)) == []
    assert await exchange.answer(body(BODY[:10], ends=False)) == []
    first, second = await exchange.answer(body(BODY[10:]))
    assert first.request_headers.response.clear_route_cache
    assert first.dynamic_metadata["routerdc"]["llm"] == "beta"
    assert streamed([second]) == [pb.StreamedBodyResponse(body=ROUTED, end_of_stream=True)]


async def test_duplex_body_may_end_with_trailers(routing: Routing) -> None:
    mode = MODE.FULL_DUPLEX_STREAMED
    responses = await answers(routing, headers(mode=mode), body(BODY, ends=False), TRAILERS)
    assert kinds(responses) == ["request_headers", "request_body", "request_trailers"]
    assert not streamed(responses)[-1].end_of_stream


@same_routing
@given(st.lists(st.integers(0, len(BODY)), max_size=8))
async def test_body_may_be_cut_anywhere(routing: Routing, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(BODY)]
    pieces = [BODY[start:end] for start, end in pairwise(places)]
    requests = [body(piece, ends=i == len(pieces) - 1) for i, piece in enumerate(pieces)]
    responses = await answers(routing, headers(mode=MODE.FULL_DUPLEX_STREAMED), *requests)
    assert b"".join(chunk.body for chunk in streamed(responses)) == ROUTED


@pytest.mark.parametrize("size", [0, 1, MAX_CHUNK_BYTES, MAX_CHUNK_BYTES + 1, 3 * MAX_CHUNK_BYTES])
async def test_pieces_are_small_enough_and_only_the_last_ends(routing: Routing, size: int) -> None:
    long = BODY[:-1] + b', "x": "' + b"y" * size + b'"}'
    chunks = streamed(await answers(routing, headers(mode=MODE.FULL_DUPLEX_STREAMED), body(long)))
    assert max(len(chunk.body) for chunk in chunks) <= MAX_CHUNK_BYTES
    assert [chunk.end_of_stream for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert sum(len(chunk.body) for chunk in chunks) == len(long) + len("beta-model") - len("auto")


TOO_LARGE = (413, "body: larger than the limit of 100 bytes")


async def test_larger_buffered_body_is_413_by_what_is_said_and_by_what_comes(make_routing: MakeRouting) -> None:
    routing = make_routing(max_body_bytes=100)
    assert refusal(await answers(routing, headers(content_length="101"))) == TOO_LARGE
    assert refusal(await answers(routing, headers(), body(b"x" * 120))) == TOO_LARGE


@pytest.mark.parametrize("said", ["", "180"])
async def test_larger_streamed_body_is_413_once_it_has_been_read(make_routing: MakeRouting, said: str) -> None:
    routing = make_routing(max_body_bytes=100)
    start = headers(mode=MODE.FULL_DUPLEX_STREAMED, content_length=said)
    pieces = [body(b"x" * 60, ends=False), body(b"x" * 60, ends=False)]
    assert await answers(routing, start, *pieces) == []
    assert refusal(await answers(routing, start, *pieces, body(b"x" * 60))) == TOO_LARGE
    assert refusal(await answers(routing, start, *pieces, TRAILERS)) == TOO_LARGE


async def test_much_larger_streamed_body_is_413_at_once(make_routing: MakeRouting) -> None:
    routing = make_routing(max_body_bytes=100)
    start = headers(mode=MODE.FULL_DUPLEX_STREAMED)
    assert refusal(await answers(routing, start, *[body(b"x" * 90, ends=False)] * 5)) == TOO_LARGE
    said = headers(mode=MODE.FULL_DUPLEX_STREAMED, content_length="401")
    assert refusal(await answers(routing, said)) == TOO_LARGE


async def test_body_that_envoy_buffered_only_in_part_is_413(routing: Routing) -> None:
    assert refusal(await answers(routing, headers(), body(BODY[:50], ends=False)))[0] == 413


async def test_request_without_a_body_is_400(routing: Routing) -> None:
    assert refusal(await answers(routing, headers(ends=True))) == (400, "body: is empty: a JSON object is needed")


async def test_after_a_refusal_nothing_more_is_routed(routing: Routing) -> None:
    responses = await answers(routing, headers(), body(b"{}"), body(BODY))
    assert kinds(responses) == ["request_headers", "immediate_response", "request_body"]
    assert not responses[-1].request_body.response.HasField("body_mutation")


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/models", 200), ("/v1/models/auto", 200), ("/v1/models/a%2Fb?x", 404)]
)
async def test_models_are_answered_at_once(routing: Routing, path: str, status: int) -> None:
    (response,) = await answers(routing, headers("GET", path, ends=True))
    assert response.immediate_response.status.code == status
    assert response.immediate_response.headers.set_headers[0].header.raw_value == b"application/json"


@pytest.mark.parametrize("mode", [MODE.BUFFERED, MODE.FULL_DUPLEX_STREAMED])
async def test_other_requests_pass_unchanged(routing: Routing, mode: int) -> None:
    first, second = await answers(routing, headers("POST", "/v1/embeddings", mode), body(b"x" * 10))
    assert first == pb.ProcessingResponse(request_headers=pb.HeadersResponse(response=pb.CommonResponse()))
    if mode == MODE.FULL_DUPLEX_STREAMED:
        assert streamed([second]) == [pb.StreamedBodyResponse(body=b"x" * 10, end_of_stream=True)]
    else:
        assert not second.request_body.response.HasField("body_mutation")


async def test_path_may_have_a_query(routing: Routing) -> None:
    responses = await answers(routing, headers(path="/v1/chat/completions?api-version=1"), body(BODY))
    assert responses[-1].request_body.response.body_mutation.body == ROUTED


async def test_a_decided_request_needs_the_gateway_no_more(routing: Routing) -> None:
    for mode in (MODE.BUFFERED, MODE.FULL_DUPLEX_STREAMED):
        exchange = Exchange(routing, Budget(2**20, "bytes"))
        await exchange.answer(headers(mode=mode))
        assert not exchange.ended
        await exchange.answer(body(BODY))
        assert exchange.ended


@pytest.mark.parametrize(
    ("requests", "ended"),
    [
        ([headers("POST", "/elsewhere")], True),
        ([headers("POST", "/elsewhere", MODE.FULL_DUPLEX_STREAMED)], False),
        ([headers("POST", "/elsewhere", MODE.FULL_DUPLEX_STREAMED), body(b"x", ends=False)], False),
        ([headers("POST", "/elsewhere", MODE.FULL_DUPLEX_STREAMED), body(b"x")], True),
        ([headers("POST", "/elsewhere", MODE.FULL_DUPLEX_STREAMED), body(b"x", ends=False), TRAILERS], True),
        ([headers("GET", "/v1/models")], True),
        ([headers(), body(b"{}")], True),
    ],
)
async def test_exchange_ends_where_nothing_is_left_to_say(
    routing: Routing, requests: list[pb.ProcessingRequest], ended: bool
) -> None:
    exchange = Exchange(routing, Budget(2**20, "bytes"))
    for request in requests:
        await exchange.answer(request)
    assert exchange.ended == ended


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("mode", [MODE.BUFFERED, MODE.FULL_DUPLEX_STREAMED])
async def test_compressed_body_goes_on_uncompressed(routing: Routing, coding: str, mode: int) -> None:
    data = gzip.compress(BODY) if coding == "gzip" else zstd.compress(BODY)
    responses = await answers(routing, headers(mode=mode, content_encoding=coding), body(data))
    if mode == MODE.FULL_DUPLEX_STREAMED:
        common = responses[0].request_headers.response
        assert b"".join(chunk.body for chunk in streamed(responses)) == ROUTED
    else:
        common = responses[-1].request_body.response
        assert common.body_mutation.body == ROUTED
    assert list(common.header_mutation.remove_headers) == ["content-encoding"]
    assert set_headers(common)["content-length"] == str(len(ROUTED))


async def test_a_bodys_memory_is_taken_until_it_has_left_again(make_routing: MakeRouting) -> None:
    memory = Budget(2**20, "bytes")
    exchange = Exchange(make_routing(), memory)
    await exchange.answer(headers())
    await exchange.answer(body(BODY))
    assert (exchange.ended, memory.held) == (True, len(BODY))
    exchange.close()
    assert memory.held == 0


async def test_what_a_compressed_body_may_inflate_to_is_held_in_advance(make_routing: MakeRouting) -> None:
    exchange = Exchange(make_routing(max_body_bytes=1000), Budget(1000, "bytes"))
    await exchange.answer(headers(content_encoding="gzip"))
    with pytest.raises(BudgetExceededError):
        await exchange.answer(body(gzip.compress(BODY)))


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("OPTIONS", "/v1/models", 204, b"GET, HEAD, OPTIONS"),
        ("POST", "/v1/models", 405, b"GET, HEAD, OPTIONS"),
        ("DELETE", "/v1/models/auto", 405, b"GET, HEAD, OPTIONS"),
        ("OPTIONS", "/v1/chat/completions", 204, b"POST, OPTIONS"),
        ("GET", "/v1/messages", 405, b"POST, OPTIONS"),
    ],
)
async def test_methods_that_a_path_is_not_for(
    routing: Routing, method: str, path: str, status: int, allow: bytes
) -> None:
    (response,) = await answers(routing, headers(method, path))
    answer = response.immediate_response
    told = {option.header.key: option.header.raw_value for option in answer.headers.set_headers}
    assert (answer.status.code, told["allow"]) == (status, allow)


async def test_head_of_models_is_answered(routing: Routing) -> None:
    (response,) = await answers(routing, headers("HEAD", "/v1/models", ends=True))
    assert response.immediate_response.status.code == 200


async def test_errors_have_the_form_of_the_api_that_was_called(routing: Routing) -> None:
    responses = await answers(routing, headers(path="/v1/messages"), body(b"{}"))
    problem = "model: is required: the name of a model, a string"
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": problem}}
    assert json.loads(responses[-1].immediate_response.body) == error
    (response,) = await answers(routing, headers("GET", "/v1/models/nobody", anthropic_version="2023-06-01"))
    assert json.loads(response.immediate_response.body)["error"]["type"] == "not_found_error"


async def test_models_have_the_form_of_the_client(routing: Routing) -> None:
    (response,) = await answers(routing, headers("GET", "/v1/models", anthropic_version="2023-06-01"))
    models = json.loads(response.immediate_response.body)
    assert (models["first_id"], models["last_id"], models["has_more"]) == ("auto", "gamma", False)
    assert models["data"][0]["type"] == "model"


async def test_endpoint_picker_tells_header_and_metadata(make_routing: MakeRouting) -> None:
    response = (await answers(make_routing(endpoint_picker=True), headers(), body(BODY)))[-1]
    assert set_headers(response.request_body.response)[ENDPOINT_HEADER] == "beta.test:80"
    assert response.dynamic_metadata["envoy.lb"][ENDPOINT_HEADER] == "beta.test:80"


async def test_requests_and_refusals_are_counted(routing: Routing) -> None:
    await answers(routing, headers(), body(BODY))
    await answers(routing, headers(), body(BODY.replace(b"auto", b"gamma")))
    await answers(routing, headers(), body(BODY.replace(b"auto", b"delta")))
    count = routing.metrics.registry.get_sample_value
    assert count("routerdc_openai_requests_total", {"llm": "beta", "reason": "routed"}) == 1
    assert count("routerdc_openai_requests_total", {"llm": "gamma", "reason": "named"}) == 1
    assert count("routerdc_openai_refused_total", {"status": "404"}) == 1


async def test_bodies_that_wait_take_room_until_they_are_decided_or_gone(routing: Routing) -> None:
    memory = Budget(100, "bytes")
    waiting, other = Exchange(routing, memory), Exchange(routing, memory)
    for exchange in (waiting, other):
        await exchange.answer(headers(mode=MODE.FULL_DUPLEX_STREAMED))
    await waiting.answer(body(b"x" * 60, ends=False))
    with pytest.raises(BudgetExceededError):
        await other.answer(body(b"x" * 60, ends=False))
    assert memory.held == 60
    waiting.close()
    waiting.close()
    await other.answer(body(b"x" * 60))
    assert memory.held == 0


messages = st.sampled_from(
    [
        headers(),
        headers(mode=MODE.FULL_DUPLEX_STREAMED),
        headers(ends=True),
        headers("GET", "/v1/models"),
        headers("POST", "/elsewhere"),
        body(BODY),
        body(BODY, ends=False),
        body(b"\xff"),
        TRAILERS,
        pb.ProcessingRequest(),
        pb.ProcessingRequest(response_headers=pb.HttpHeaders()),
        pb.ProcessingRequest(response_body=pb.HttpBody(body=b"data: {}\n\n")),
        pb.ProcessingRequest(response_body=pb.HttpBody(end_of_stream=True)),
        pb.ProcessingRequest(response_trailers=pb.HttpTrailers()),
    ]
)


@same_routing
@given(st.lists(messages, max_size=12))
async def test_any_order_of_messages_is_answered(routing: Routing, requests: list[pb.ProcessingRequest]) -> None:
    for response in await answers(routing, *requests):
        assert response.WhichOneof("response") is not None
