"""Five hundred real queries get the same LLM from gateway, plain tritonclient and the engine in process.

The engine is int8, so torch in fp32 agrees nearly always instead.
"""

import random

import numpy as np
from tritonclient import grpc as triton

from deploy.local.command import SHIPPED_BUNDLE
from export.artefacts.files import answers_of
from export.parity.compare import LIMITS
from routerdc.data.loading import load
from routerdc.loaded_bundle import Router
from routerdc_client import RouterClient, route_request
from routerdc_contract.bundle import ENGINE_FOLDER
from routerdc_contract.v1 import router_pb2 as pb
from tests.e2e.conftest import Stack
from tests.support.data.public import ROUTERDC, needs_routerdc

QUERIES = 500
BATCH = 50
DEADLINE_MS = 20_000
SCORE_TOLERANCE = 1e-4


def real_queries() -> list[str]:
    """A fixed sample over all test sets, in distribution and out of it."""
    files = sorted(ROUTERDC.glob("test_*/*.json"))
    queries = [query for file in files for query in load(file).queries]
    return random.Random(0).sample(sorted(set(queries)), QUERIES)


def by_gateway(client: RouterClient, queries: list[str]) -> list[pb.RouteResponse]:
    """One response for each query; half of them asked for one by one, half in batches."""
    half = len(queries) // 2
    single = [client.route(query, max_candidates=100, deadline_ms=DEADLINE_MS) for query in queries[:half]]
    batches = [queries[i : i + BATCH] for i in range(half, len(queries), BATCH)]
    results = [
        result
        for batch in batches
        for result in client.route_batch([route_request(q, max_candidates=100) for q in batch], deadline_ms=DEADLINE_MS)
    ]
    return single + [result.response for result in results]


def by_tritonclient(address: str, queries: list[str]) -> np.ndarray:  # type: ignore[type-arg]
    """Choices (n,), asked for in batches by a client that knows nothing of us."""
    choices = []
    with triton.InferenceServerClient(address) as client:
        for i in range(0, len(queries), BATCH):
            rows = np.array([[query.encode()] for query in queries[i : i + BATCH]], dtype=np.object_)
            tensor = triton.InferInput("query", list(rows.shape), "BYTES")
            tensor.set_data_from_numpy(rows)
            choices.append(client.infer("routerdc", [tensor]).as_numpy("choice")[:, 0])
    return np.concatenate(choices)


@needs_routerdc
def test_gateway_and_tritonclient_agree_with_the_engine_and_nearly_always_with_torch(
    stack: Stack, client: RouterClient
) -> None:
    queries = real_queries()
    router = Router.load(SHIPPED_BUNDLE)
    names, limits = router.manifest.llm_names, LIMITS["int8"]
    engine_scores = answers_of(SHIPPED_BUNDLE / ENGINE_FOLDER, queries).scores
    expected = [names[column] for column in engine_scores.argmax(axis=1)]

    responses = by_gateway(client, queries)
    assert {response.reason for response in responses} <= {pb.REASON_ROUTED, pb.REASON_CACHED}
    assert [response.llm for response in responses] == expected
    scores = [{candidate.llm: candidate.score for candidate in response.candidates} for response in responses]
    np.testing.assert_allclose([[row[name] for name in names] for row in scores], engine_scores, atol=SCORE_TOLERANCE)

    choices = by_tritonclient(stack.service.triton.grpc_address, queries)
    assert [names[choice] for choice in choices] == expected

    torch_scores = router.score(queries)
    agreement = float((engine_scores.argmax(axis=1) == torch_scores.argmax(axis=1)).mean())
    print(f"{QUERIES} queries: 100 % the engine's choice, {agreement:.2%} that of torch in fp32")
    assert agreement >= limits.agreement
    np.testing.assert_allclose(engine_scores, torch_scores, atol=limits.score_error * router.manifest.scale)
