"""The scorer that asks Triton: KServe v2 over gRPC, and the one place where grpc's errors become ours.

Knows Triton and its model `routerdc`. Does not know requests, policy, batching or caching.
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import grpc
from grpc import aio
from tritonclient.grpc import service_pb2, service_pb2_grpc

from gateway.domain.scorer import Bundle, Neighbours, Scores
from gateway.errors import (
    BundleMismatchError,
    GatewayError,
    InvalidRequestError,
    ScorerFailedError,
    ScorerOverloadedError,
    ScorerTimeoutError,
    ScorerUnavailableError,
)
from gateway.scoring.triton import kserve
from routerdc_contract.tensors import ROUTER_MODEL

_PROBE_TIMEOUT_SECONDS = 2.0  # a Triton under load is slow, not gone
# Before 25.04, a Triton may crash when a call is cancelled that it is just answering (triton-inference-server/server
# #7840, #8078): hundreds of hasty callers end it within a minute.
_CANCELLABLE_SINCE = (2, 57)
_KNOWN_BUNDLES = 4  # a rollover has two; a few more cost nothing

_CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.lb_policy_name", "round_robin"),
    # grpc sends again only what a server has not seen yet, for one hundredth of a gateway's CPU time; the balancer does
    # it for all that a lost connection took along.
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),  # Triton is on this machine or in the cluster, whatever http_proxy says
    # A Triton that comes back is used within a second; grpc would wait up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A peer whose machine died is noticed when it acknowledges nothing for as long as the timeout. One that does, but
    # does not answer, keeps its connection: an old Triton that was stopped dies of a lost one when it goes on.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 3_000),
]

_TRANSLATION: dict[grpc.StatusCode, type[GatewayError]] = {
    grpc.StatusCode.DEADLINE_EXCEEDED: ScorerTimeoutError,
    grpc.StatusCode.UNAVAILABLE: ScorerUnavailableError,
    grpc.StatusCode.NOT_FOUND: ScorerUnavailableError,  # the model is not loaded
    grpc.StatusCode.RESOURCE_EXHAUSTED: ScorerOverloadedError,
}


class TritonScorer:
    """Scores batches by Triton's model `routerdc`."""

    def __init__(
        self, address: str, *, timeout_seconds: float, interceptors: Sequence[aio.ClientInterceptor] = ()
    ) -> None:
        """Connects lazily.

        Args:
            address: host:port of Triton's gRPC, or any target that grpc knows; where that is several addresses, they
                share the work, and those that cannot be reached are passed over.
            timeout_seconds: the deadline of a batch; the call is cancelled then, and Triton does not compute it.
            interceptors: of the calls to Triton.
        """
        self.address = address
        self._timeout_seconds = timeout_seconds
        self._channel = aio.insecure_channel(address, options=_CHANNEL_OPTIONS, interceptors=interceptors)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._infer: Any = self._channel.unary_unary(  # takes serialized requests, which the stub's method does not
            kserve.INFER, response_deserializer=service_pb2.ModelInferResponse.FromString
        )
        self._bundles: dict[str, Bundle] = {}
        self._current: Bundle | None = None
        self.max_batch = 1  # the model's own limit, known after the first probe
        self.cancellable = False  # until its version is known
        self._scores_outputs = kserve.SCORES_OUTPUTS
        self._neighbours_outputs: tuple[str, ...] = ()  # none: the bundle has no neighbours
        self._learning = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()

    async def close(self, grace_seconds: float | None = None) -> None:
        """Ends the connection; calls in flight have `grace_seconds` (None: no time) to be answered."""
        await self._channel.close(grace_seconds)

    @property
    def bundle(self) -> Bundle:
        """The bundle that the model's configuration named last."""
        if self._current is None:
            raise ScorerUnavailableError(f"Triton at {self.address} has not been asked for its bundle yet")
        return self._current

    async def probe(self) -> Bundle:
        """The bundle that the model's configuration names now, provided that the model is ready.

        Raises:
            ScorerError: Triton cannot be reached, the model is not ready, or it is not one that we can read.
        """
        ready = await self._ask(self._stub.ModelReady, service_pb2.ModelReadyRequest(name=ROUTER_MODEL))
        if not ready.ready:
            raise ScorerUnavailableError(f"model {ROUTER_MODEL} is not ready in Triton at {self.address}")
        answer = await self._ask(self._stub.ModelConfig, service_pb2.ModelConfigRequest(name=ROUTER_MODEL))
        try:
            info = kserve.model_info(answer.config)
        except ValueError as error:
            raise ScorerFailedError(f"Triton at {self.address}: {error}") from None
        server = await self._ask(self._stub.ServerMetadata, service_pb2.ServerMetadataRequest())
        self.cancellable = kserve.version(server.version) >= _CANCELLABLE_SINCE
        self._learn(info.bundle)
        self.max_batch = info.max_batch
        self._scores_outputs = info.scores_outputs
        self._neighbours_outputs = info.neighbours_outputs
        return info.bundle

    async def score_batch(self, queries: Sequence[str]) -> list[Scores]:
        """See `BatchScorer.score_batch`. Cancelling it cancels the request in Triton."""
        outputs = self._scores_outputs
        request = kserve.infer_request(queries, outputs)
        response = await self._ask(self._infer, request, self._timeout_seconds, rows=len(queries))
        try:
            rows = kserve.rows(response, queries, outputs)
        except ValueError as error:
            raise ScorerFailedError(f"Triton at {self.address} gave an answer that cannot be read: {error}") from None
        scores = list[Scores]()
        for bundle_id, values, token_count, truncated, familiarity in rows:
            bundle = self._bundles.get(bundle_id) or await self._names_of(bundle_id)
            if len(values) != len(bundle.llms):
                raise ScorerFailedError(f"{len(values)} scores for the {len(bundle.llms)} LLMs of bundle {bundle_id}")
            scores.append(Scores(bundle, values, token_count, truncated, familiarity))
        return scores

    async def neighbours(self, query: str) -> Neighbours | None:
        """The graded training queries nearest to `query`; None where the bundle holds none.

        Raises:
            InvalidRequestError, ScorerError: as `score_batch`.
        """
        if not (outputs := self._neighbours_outputs):
            return None
        request = kserve.infer_request([query], outputs)
        response = await self._ask(self._infer, request, self._timeout_seconds)
        try:
            return kserve.neighbours(response, query, outputs)
        except ValueError as error:
            raise ScorerFailedError(f"Triton at {self.address} gave an answer that cannot be read: {error}") from None

    async def _names_of(self, bundle_id: str) -> Bundle:
        """The names that belong to a bundle seen for the first time; one question for all who wait."""
        async with self._learning:
            if bundle_id not in self._bundles:
                await self.probe()
        if bundle_id not in self._bundles:
            raise BundleMismatchError(f"answers come from bundle {bundle_id}, configured is {self.bundle.bundle_id}")
        return self._bundles[bundle_id]

    def _learn(self, bundle: Bundle) -> None:
        self._current = bundle
        self._bundles.pop(bundle.bundle_id, None)
        self._bundles[bundle.bundle_id] = bundle
        if len(self._bundles) > _KNOWN_BUNDLES:
            del self._bundles[next(iter(self._bundles))]

    async def _ask(
        self, method: Any, request: Any, timeout_seconds: float = _PROBE_TIMEOUT_SECONDS, *, rows: int = 1
    ) -> Any:
        try:
            return await method(request, timeout=timeout_seconds)
        except aio.AioRpcError as error:
            raise _translated(error, self.address, rows) from None


def _translated(error: aio.AioRpcError, address: str, rows: int) -> GatewayError:
    """A refusal is a query's fault where the model says so. Of several, any may be it, so a refused batch is split."""
    if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
        _, named, problem = (error.details() or "").rpartition("query: ")
        if named or rows > 1:
            return InvalidRequestError("query", problem)
    kind = _TRANSLATION.get(error.code(), ScorerFailedError)
    return kind(f"Triton at {address}: {error.code().name}: {error.details()}")
