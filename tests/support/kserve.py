"""Queries as KServe inputs, the way any client would send them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput, InferResult

from routerdc_contract.tensors import QUERY, ROUTER_MODEL


def query_input(*queries: str | bytes) -> InferInput:
    """One request with a row a query."""
    rows = [[query.encode() if isinstance(query, str) else query] for query in queries]
    array = np.array(rows, dtype=np.object_)
    tensor = InferInput(QUERY, array.shape, "BYTES")
    tensor.set_data_from_numpy(array)
    return tensor


def infer(
    client: InferenceServerClient, *queries: str | bytes, outputs: Sequence[str] = (), **options: Any
) -> InferResult:
    """Answer to one request; without `outputs`, all of them."""
    wanted = [InferRequestedOutput(name) for name in outputs] or None
    return client.infer(ROUTER_MODEL, [query_input(*queries)], outputs=wanted, **options)
