"""Model `routerdc` in a real tritonserver, asked by a plain tritonclient."""

import json
import time
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from queue import Queue
from zlib import crc32

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferResult
from tritonclient.utils import InferenceServerException

from deploy.local.triton.server import TritonServer
from export.parity.samples import sample_queries
from routerdc_contract.bundle import Manifest
from routerdc_contract.tensors import (
    BUNDLE_ID,
    CHOICE,
    EMBEDDING,
    PARAMETER_BUNDLE_ID,
    PARAMETER_LLMS,
    QUERY_CRC32,
    ROUTER_MODEL,
    SCORES,
    TOKEN_COUNT,
    TRUNCATED,
)
from tests.integration.triton.agreement import check_with_torch, scores_together_and_alone
from tests.support.kserve import infer, query_input

GOOD_QUERY = "What is 12 times 7?"


def ask_all(client: InferenceServerClient, queries: list[str | bytes]) -> list[InferResult | InferenceServerException]:
    """Sends every query as a request of its own, all at once; answers in order."""
    answers: Queue[tuple[int, InferResult | InferenceServerException]] = Queue()

    def collect(i: int, result: InferResult, error: InferenceServerException | None) -> None:
        answers.put((i, error or result))

    for i, query in enumerate(queries):
        client.async_infer(ROUTER_MODEL, [query_input(query)], callback=partial(collect, i))
    return [answer for _, answer in sorted((answers.get(timeout=60) for _ in queries), key=lambda pair: pair[0])]


def counts(client: InferenceServerClient) -> tuple[int, int]:
    """(rows inferred, executions) since the model was loaded, once they stand still: Triton counts after it answers."""
    counted, before = _counted(client), None
    while counted != before:
        time.sleep(0.2)
        counted, before = _counted(client), counted
    return counted


def _counted(client: InferenceServerClient) -> tuple[int, int]:
    statistics = client.get_inference_statistics(ROUTER_MODEL).model_stats[0]
    return statistics.inference_count, statistics.execution_count


def test_all_outputs_have_the_contracts_types_and_shapes(client: InferenceServerClient, manifest: Manifest) -> None:
    answer = infer(client, GOOD_QUERY)
    shapes = {
        name: (answer.as_numpy(name).dtype, answer.as_numpy(name).shape)
        for name in (CHOICE, SCORES, TOKEN_COUNT, TRUNCATED, EMBEDDING)
    }
    assert shapes == {
        CHOICE: (np.int32, (1, 1)),
        SCORES: (np.float32, (1, len(manifest.llms))),
        TOKEN_COUNT: (np.int32, (1, 1)),
        TRUNCATED: (np.bool_, (1, 1)),
        EMBEDDING: (np.float32, (1, manifest.dim)),
    }
    assert answer.as_numpy(BUNDLE_ID).tolist() == [[manifest.bundle_id.encode()]]
    assert answer.as_numpy(QUERY_CRC32).tolist() == [[crc32(GOOD_QUERY.encode())]]
    assert answer.as_numpy(CHOICE)[0, 0] == answer.as_numpy(SCORES)[0].argmax()
    np.testing.assert_allclose(np.linalg.norm(answer.as_numpy(EMBEDDING)), 1, rtol=1e-5)


def test_the_configuration_turns_choices_into_names(client: InferenceServerClient, manifest: Manifest) -> None:
    parameters = client.get_model_config(ROUTER_MODEL).config.parameters
    assert json.loads(parameters[PARAMETER_LLMS].string_value) == list(manifest.llm_names)
    assert parameters[PARAMETER_BUNDLE_ID].string_value == manifest.bundle_id


def test_only_the_outputs_asked_for_come_back(client: InferenceServerClient) -> None:
    answer = infer(client, GOOD_QUERY, outputs=[CHOICE])
    assert [output.name for output in answer.get_response().outputs] == [CHOICE]


def test_answers_agree_with_torch_on_every_sample_query(client: InferenceServerClient, manifest: Manifest) -> None:
    alone = ask_all(client, list(sample_queries()))
    assert not [answer for answer in alone if isinstance(answer, InferenceServerException)]
    check_with_torch([answer for answer in alone if isinstance(answer, InferResult)], manifest, "Triton")


def test_an_answer_does_not_depend_on_its_batch(client: InferenceServerClient) -> None:
    together, alone = scores_together_and_alone(client, sample_queries()[:40])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    np.testing.assert_array_equal(together.argmax(axis=1), alone.argmax(axis=1))


def test_concurrent_requests_are_merged(client: InferenceServerClient) -> None:
    rows_before, executions_before = counts(client)
    ask_all(client, [f"{GOOD_QUERY} And {i}?" for i in range(200)])
    rows, executions = counts(client)
    assert rows - rows_before == 200
    assert executions - executions_before < 100


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"\xff\xfe", "query: not UTF-8"),
        (b"", "query: empty"),
        (b" \n", "query: empty"),
        (b"a" * 2**21, "the limit is"),
    ],
    ids=["not-utf8", "empty", "blank", "too-long"],
)
def test_a_bad_query_fails_alone(client: InferenceServerClient, bad: bytes, message: str) -> None:
    good = [f"{GOOD_QUERY} And {i}?" for i in range(60)]
    answers = ask_all(client, [*good[:30], bad, *good[30:]])
    refusal = answers.pop(30)
    assert isinstance(refusal, InferenceServerException)
    assert message in str(refusal.message())
    assert "INVALID_ARGUMENT" in str(refusal.status())
    assert not [answer for answer in answers if isinstance(answer, InferenceServerException)]


def test_a_bad_row_of_a_batched_request_is_named(client: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match=r"query\[2\]: empty"):
        infer(client, "a", "b", "", "d")


def test_a_request_whose_caller_gave_up_is_not_computed(client: InferenceServerClient) -> None:
    rows_before, _ = counts(client)
    done: Queue[object] = Queue()
    ahead = 12
    for _ in range(ahead):  # far more work than fits into the deadline of the one behind it
        sixty = [query_input(*sample_queries()[-60:])]
        client.async_infer(ROUTER_MODEL, sixty, callback=lambda result, error: done.put(error or result))
    with pytest.raises(InferenceServerException, match="Deadline Exceeded"):
        infer(client, GOOD_QUERY, client_timeout=0.02)
    answers = [done.get(timeout=60) for _ in range(ahead)]
    assert all(isinstance(answer, InferResult) for answer in answers)
    infer(client, GOOD_QUERY)  # whatever was queued before this has been dealt with
    assert counts(client)[0] - rows_before == ahead * 60 + 1


@pytest.mark.parametrize(
    "path",
    [
        f"/v2/repository/models/{ROUTER_MODEL}/unload",
        "/v2/repository/index",
        "/v2/systemsharedmemory/unregister",
        "/v2/trace/setting",
        "/v2/logging",
    ],
)
def test_no_web_page_changes_the_server(triton: TritonServer, client: InferenceServerClient, path: str) -> None:
    """A browser sends a plain POST of any page to any port of its machine."""
    connection = HTTPConnection(triton.http_address, timeout=10)
    connection.request("POST", path, body="{}", headers={"Content-Type": "text/plain", "Origin": "http://evil.example"})
    assert connection.getresponse().status == 403
    connection.close()
    assert client.is_model_ready(ROUTER_MODEL)


def test_the_servers_log_holds_no_query(client: InferenceServerClient, triton_log: Path) -> None:
    infer(client, "a very private sentence")
    with pytest.raises(InferenceServerException):
        infer(client, b"another private sentence \xff")
    assert "private sentence" not in triton_log.read_text(encoding="utf-8", errors="replace")
