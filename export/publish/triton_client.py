"""A running Triton as `routerdc publish` needs it: loads versions, says what it serves, computes a slice of tokens.

KServe v2 over gRPC with Triton's extension for model repositories; models must be loaded on request only
(`--model-control-mode=explicit`).
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from export.domain.errors import PublishError
from routerdc_contract.tensors import (
    ATTENTION_MASK,
    BUNDLE_ID,
    EMBEDDING,
    ENCODER_MODEL,
    INPUT_IDS,
    QUERY,
    ROUTER_MODEL,
)

_ANSWER_SECONDS = 30.0
# No proxy knows the way to a Triton, and its answers have no size of which one must be afraid.
_CHANNEL_ARGS = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
]


class LiveTriton:
    """One Triton; a context manager that closes the connection."""

    def __init__(self, address: str, load_timeout_seconds: float) -> None:
        """`address`: host:port of its gRPC; `load_timeout_seconds`: how long a model may take to load."""
        from tritonclient.grpc import InferenceServerClient

        self.address = address
        self._load_timeout_seconds = load_timeout_seconds
        self._client = InferenceServerClient(address, channel_args=_CHANNEL_ARGS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def bundle_id(self) -> str:
        """Of the bundle that callers get answers from.

        Raises:
            PublishError: no answer.
        """
        answer = self.ask("infer", ROUTER_MODEL, [_tensor(QUERY, np.array([[b"Are you well?"]], dtype=object))])
        return str(answer.as_numpy(BUNDLE_ID)[0, 0].decode())

    def load(self, model: str, version: int) -> None:
        """Has `model` loaded as it now lies in the repository; returns when its `version` is ready.

        Raises:
            PublishError: it was refused, Triton cannot be reached, or sees another repository.
        """
        self.ask("load_model", model, timeout_seconds=self._load_timeout_seconds)
        if not self.ask("is_model_ready", model, str(version)):
            raise PublishError(
                f"Triton at {self.address} has no version {version} of {model}: not the same repository?"
            )

    def encoder(self, version: int) -> "RemoteEncoder":
        """Its model `routerdc_encoder` in the version given."""
        return RemoteEncoder(self, version)

    def ask(self, method: str, *arguments: Any, timeout_seconds: float = _ANSWER_SECONDS, **options: Any) -> Any:
        """Calls one method of Triton's client.

        Raises:
            PublishError: Triton refused, or did not answer in time.
        """
        from tritonclient.utils import InferenceServerException

        try:
            return getattr(self._client, method)(*arguments, client_timeout=timeout_seconds, **options)
        except InferenceServerException as error:
            raise PublishError(f"Triton at {self.address}: {_first_line(str(error.message()))}") from None


class RemoteEncoder:
    """The engine of the model's own code, with the model `routerdc_encoder` of a running Triton behind it."""

    parallel = 1

    def __init__(self, triton: LiveTriton, version: int) -> None:
        self._triton = triton
        self._version = str(version)

    def embed(self, slices: Sequence[Any]) -> list[npt.NDArray[np.float32]]:
        """Unit embeddings (batch, dim) of each slice.

        Raises:
            PublishError: the encoder failed.
        """
        return [self._embed(part) for part in slices]

    def _embed(self, part: Any) -> npt.NDArray[np.float32]:
        inputs = [_tensor(INPUT_IDS, part.input_ids), _tensor(ATTENTION_MASK, part.attention_mask)]
        answer = self._triton.ask("infer", ENCODER_MODEL, inputs, model_version=self._version)
        embedding: npt.NDArray[np.float32] = answer.as_numpy(EMBEDDING)
        return embedding


def _tensor(name: str, values: npt.NDArray[Any]) -> Any:
    from tritonclient.grpc import InferInput
    from tritonclient.utils import np_to_triton_dtype

    tensor = InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
    tensor.set_data_from_numpy(values)
    return tensor


def _first_line(message: str) -> str:
    """Without the stack of the model's own code, which Triton's log has."""
    return message.split("\n\nAt:", 1)[0].strip()
