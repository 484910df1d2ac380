"""Callers of Triton itself, without the gateway: what a router over KServe costs at least."""

from locust import task
from tritonclient.grpc import service_pb2, service_pb2_grpc

from loadtest.requests import messages
from loadtest.users.grpc_user import GrpcUser


class TritonUser(GrpcUser):
    """One query a request, as the model's dynamic batcher likes it."""

    def address(self) -> str:
        """Triton's gRPC."""
        return self.settings.triton_address

    def on_start(self) -> None:
        """Connects."""
        super().on_start()
        self.triton = service_pb2_grpc.GRPCInferenceServiceStub(self.channel)

    @task
    def infer(self) -> None:
        """A request of one row."""
        request = service_pb2.ModelInferRequest.FromString(messages.infer(self.next_query()))
        self.timed(
            messages.MODEL_INFER,
            lambda: self.triton.ModelInfer(request, timeout=self.timeout_seconds),
            lambda answer: "" if answer.raw_output_contents else messages.NO_SCORES,
        )
