"""What integration tests share."""

from collections.abc import Iterator

import pytest
from tritonclient.grpc import InferenceServerClient

from deploy.local.triton.server import TritonServer


@pytest.fixture
def client(triton: TritonServer) -> Iterator[InferenceServerClient]:
    """A plain tritonclient."""
    with InferenceServerClient(triton.grpc_address) as client:
        yield client
