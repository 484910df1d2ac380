"""How closely an artefact's answers agree with torch's, and the gate that refuses the ones that do not.

Does not know how either side computes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from export.errors import ParityError
from export.targets import Precision


@dataclass(frozen=True)
class Answers:
    """One side's answers to n queries; see `routerdc_contract.tensors` for the meaning of each array."""

    embedding: npt.NDArray[np.float32]
    """(n, dim)"""
    scores: npt.NDArray[np.float32]
    """(n, n_llms)"""
    token_count: npt.NDArray[np.int32]
    """(n,)"""

    def write(self, path: Path) -> None:
        """Writes a safetensors file."""
        from safetensors.numpy import save_file

        save_file({name: np.ascontiguousarray(array) for name, array in vars(self).items()}, path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads what `write` wrote."""
        from safetensors.numpy import load_file

        return cls(**load_file(path))


@dataclass(frozen=True)
class Limits:
    """What a precision may lose."""

    agreement: float
    """share of queries with the same argmax"""
    score_error: float
    """largest difference of a score, in units of `scale` (so of a cosine)"""
    batch_error: float = 1e-5
    """the same between a query alone and beside a long one"""


FP32 = Limits(agreement=1.0, score_error=1e-4)
INT8 = Limits(agreement=0.985, score_error=1e-1, batch_error=1e-2)
LIMITS: dict[Precision, Limits] = {
    "fp32": FP32,
    "fp16": Limits(agreement=0.995, score_error=2e-3, batch_error=1e-3),
    "bf16": Limits(agreement=0.995, score_error=1e-2, batch_error=1e-2),
    "int8": INT8,
    "int8-gpu": INT8,
}
"""The errors are about ten times what the shipped bundle shows (docs/explanation/cpu-engine.md).

A value near a rounding step may fall on either side of it, so engines that round may depend on their batch a little.
"""


@dataclass(frozen=True)
class Parity:
    """The comparison of two sides' answers."""

    queries: int
    agreement: float
    max_score_error: float
    max_embedding_error: float
    token_count_differences: int
    max_batch_error: float | None = None
    """of a score, between a query alone and beside a long one; None: not looked at"""

    def as_json(self) -> dict[str, Any]:
        """For the record beside the artefact."""
        return dict(vars(self))


def compare(reference: Answers, candidate: Answers, scale: float, batch_error: float | None = None) -> Parity:
    """Compares row by row; NaN and infinity count as an infinite error. `batch_error`: see `triton_model_runner`."""
    same = reference.scores.argmax(axis=1) == candidate.scores.argmax(axis=1)
    return Parity(
        queries=len(same),
        agreement=float(same.mean()),
        max_score_error=_max_error(reference.scores, candidate.scores) / scale,
        max_embedding_error=_max_error(reference.embedding, candidate.embedding),
        token_count_differences=int((reference.token_count != candidate.token_count).sum()),
        max_batch_error=None if batch_error is None else batch_error / scale,
    )


def check(parity: Parity, limits: Limits, artefact: str) -> None:
    """The gate.

    Raises:
        ParityError: the artefact is not good enough; the message says in what.
    """
    problems = []
    if parity.token_count_differences:
        problems.append(f"{parity.token_count_differences} queries are tokenized differently")
    if parity.agreement < limits.agreement:
        problems.append(f"argmax agreement {parity.agreement:.2%}, needed {limits.agreement:.2%}")
    if not parity.max_score_error <= limits.score_error:
        problems.append(f"score error {parity.max_score_error:.2e}, allowed {limits.score_error:.2e}")
    if parity.max_batch_error is not None and not parity.max_batch_error <= limits.batch_error:
        problems.append(
            f"score error {parity.max_batch_error:.2e} beside a long query, allowed {limits.batch_error:.2e}"
        )
    if problems:
        raise ParityError(f"{artefact} does not agree with torch on {parity.queries} queries: {'; '.join(problems)}")


def _max_error(reference: npt.NDArray[np.float32], candidate: npt.NDArray[np.float32]) -> float:
    error = np.abs(reference.astype(np.float64) - candidate)
    return float(error.max()) if np.isfinite(error).all() else float("inf")
