"""What Triton answered, held against torch and against itself."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from tritonclient.grpc import InferenceServerClient, InferResult

from export.artefacts.files import REFERENCE_FILE
from export.parity.compare import LIMITS, Answers, check, compare
from routerdc_contract.bundle import GRAPH_FOLDER, Manifest
from routerdc_contract.tensors import EMBEDDING, FAMILIARITY, SCORES, TOKEN_COUNT
from tests.support.kserve import infer
from tests.support.real_triton import BUNDLE

Floats = npt.NDArray[np.float32]


def check_with_torch(results: Sequence[InferResult], manifest: Manifest, name: str) -> None:
    """`results` to all sample queries in their order, in any number of parts.

    Raises:
        ParityError: they do not agree with torch's as int8 has to; the message begins with `name`.
    """
    embedding, scores, token_count = (
        np.concatenate([result.as_numpy(tensor) for result in results]) for tensor in (EMBEDDING, SCORES, TOKEN_COUNT)
    )
    reference = Answers.read(BUNDLE / GRAPH_FOLDER / REFERENCE_FILE)
    familiarity = np.concatenate([result.as_numpy(FAMILIARITY)[:, 0] for result in results])
    known = None if np.isnan(familiarity).all() else familiarity
    answers = Answers(embedding, scores, token_count[:, 0], known)
    check(compare(reference, answers, manifest.scale), LIMITS["int8"], name)


def scores_together_and_alone(client: InferenceServerClient, queries: Sequence[str]) -> tuple[Floats, Floats]:
    """Scores of `queries` in one request and in one request each, both (n, n_llms)."""
    alone = [infer(client, query).as_numpy(SCORES) for query in queries]
    return infer(client, *queries).as_numpy(SCORES), np.concatenate(alone)
