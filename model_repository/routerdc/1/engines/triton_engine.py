"""The encoder as the Triton model `routerdc_encoder`, called by business logic scripting. Works inside Triton only."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as pb_utils

from engines.engine import ATTENTION_MASK, EMBEDDING, INPUT_IDS, TokenSlice

ENCODER_MODEL = "routerdc_encoder"


class TritonEngine:
    """All slices of a batch are in flight at the same time, so that every instance of the encoder has work."""

    parallel = 1

    def __init__(self, version: int) -> None:
        """`version`: of the encoder; the same as the caller's, so that two bundles never mix during a rollover."""
        self._version = version
        self._loop = asyncio.new_event_loop()  # one for all batches; to make one costs more than to run one

    def embed(self, slices: Sequence[TokenSlice]) -> list[npt.NDArray[np.float32]]:
        """See `engine.Engine`.

        Raises:
            RuntimeError: the encoder failed or is not loaded; the message is Triton's.
        """
        return self._loop.run_until_complete(self._embed_all(slices))

    async def _embed_all(self, slices: Sequence[TokenSlice]) -> list[npt.NDArray[np.float32]]:
        return list(await asyncio.gather(*(self._embed(part) for part in slices)))

    async def _embed(self, part: TokenSlice) -> npt.NDArray[np.float32]:
        request = pb_utils.InferenceRequest(
            model_name=ENCODER_MODEL,
            model_version=self._version,
            inputs=[
                pb_utils.Tensor(INPUT_IDS, part.input_ids),
                pb_utils.Tensor(ATTENTION_MASK, part.attention_mask),
            ],
            requested_output_names=[EMBEDDING],
            preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
        )
        response: Any = await request.async_exec()
        if response.has_error():
            raise RuntimeError(f"{ENCODER_MODEL} version {self._version}: {response.error().message()}")
        embedding: npt.NDArray[np.float32] = pb_utils.get_output_tensor_by_name(response, EMBEDDING).as_numpy()
        return embedding.copy()  # the response's memory goes with the response
