"""How closely an artefact's answers agree with torch's, and the gate that refuses the ones that do not.

Does not know how either side computes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from export.domain.errors import ParityError
from export.domain.targets import Precision


@dataclass(frozen=True)
class Answers:
    """One side's answers to n queries; see `routerdc_contract.tensors` for the meaning of each array."""

    embedding: npt.NDArray[np.float32]
    """(n, dim)"""
    scores: npt.NDArray[np.float32]
    """(n, n_llms)"""
    token_count: npt.NDArray[np.int32]
    """(n,)"""
    familiarity: npt.NDArray[np.float32] | None = None
    """(n,); None where the bundle does not know it"""

    def write(self, path: Path) -> None:
        """Writes a safetensors file."""
        from safetensors.numpy import save_file

        known = {name: array for name, array in vars(self).items() if array is not None}
        save_file({name: np.ascontiguousarray(array) for name, array in known.items()}, path)

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
    familiarity_error: float = 1e-3
    """largest difference of a query's familiarity"""

    @property
    def rounding(self) -> float:
        """Differences of scores, in units of `scale`, that the precision's arithmetic does not resolve."""
        return self.score_error / ABOVE_MEASURED


ABOVE_MEASURED = 10
"""The allowed score errors are so many times those that the shipped bundle shows (docs/explanation/cpu-engine.md)."""
FP32 = Limits(agreement=1.0, score_error=1e-4)
INT8 = Limits(agreement=0.985, score_error=1e-1, batch_error=1e-2, familiarity_error=0.3)
LIMITS: dict[Precision, Limits] = {
    "fp32": FP32,
    "fp16": Limits(agreement=0.995, score_error=2e-3, batch_error=1e-3, familiarity_error=0.02),
    "bf16": Limits(agreement=0.995, score_error=1e-2, batch_error=1e-2, familiarity_error=0.1),
    "int8": INT8,
    "int8-gpu": INT8,
}
"""Values near a rounding step may fall on either side of it, so engines that round depend on their batch a little."""


@dataclass(frozen=True)
class Parity:
    """The comparison of two sides' answers."""

    queries: int
    agreement: float
    """share of queries with the same choice"""
    max_score_error: float
    max_embedding_error: float
    token_count_differences: int
    max_batch_error: float | None = None
    """of a score, between a query alone and beside a long one; None: not looked at"""
    ties: float = 0.0
    """share of queries with another choice, of which the reference scores hardly differ (`Limits.rounding`)"""
    max_familiarity_error: float | None = None
    """None where neither side knows how familiar a query is; infinite where one side alone does"""


def same_choices(
    reference: npt.NDArray[np.float32], candidate: npt.NDArray[np.float32], tie: float
) -> tuple[float, float]:
    """Compares the choices of two tables of scores (n, n_llms).

    Returns the share of queries with the same choice, and the share of those with another one that the reference scores
    within `tie` of its own: where LLMs are that close, rounding decides, and neither choice is worse.
    """
    rows, chosen = np.arange(len(reference)), candidate.argmax(axis=1)
    same = reference.argmax(axis=1) == chosen
    tied = ~same & (reference.max(axis=1) - reference[rows, chosen] <= tie)
    return float(same.mean()), float(tied.mean())


def compare(
    reference: Answers, candidate: Answers, scale: float, *, rounding: float = 0.0, batch_error: float | None = None
) -> Parity:
    """Compares row by row; NaN and infinity count as an infinite error.

    `rounding`: see `Limits`; `batch_error`: see `triton_model_runner`.
    """
    agreement, ties = same_choices(reference.scores, candidate.scores, rounding * scale)
    return Parity(
        queries=len(reference.scores),
        agreement=agreement,
        ties=ties,
        max_score_error=_max_error(reference.scores, candidate.scores) / scale,
        max_embedding_error=_max_error(reference.embedding, candidate.embedding),
        token_count_differences=int((reference.token_count != candidate.token_count).sum()),
        max_batch_error=None if batch_error is None else batch_error / scale,
        max_familiarity_error=_familiarity_error(reference, candidate),
    )


def check(parity: Parity, limits: Limits, artefact: str) -> None:
    """The gate.

    Raises:
        ParityError: the artefact is not good enough; the message says in what.
    """
    problems = []
    if parity.token_count_differences:
        problems.append(f"{parity.token_count_differences} queries are tokenized differently")
    if problem := choice_problem(parity.agreement, parity.ties, limits):
        problems.append(problem)
    if not parity.max_score_error <= limits.score_error:
        problems.append(f"score error {parity.max_score_error:.2e}, allowed {limits.score_error:.2e}")
    if parity.max_batch_error is not None and not parity.max_batch_error <= limits.batch_error:
        problems.append(
            f"score error {parity.max_batch_error:.2e} beside a long query, allowed {limits.batch_error:.2e}"
        )
    if parity.max_familiarity_error is not None and not parity.max_familiarity_error <= limits.familiarity_error:
        problems.append(f"familiarity error {parity.max_familiarity_error:.2e}, allowed {limits.familiarity_error:.2e}")
    if problems:
        raise ParityError(f"{artefact} does not agree with torch on {parity.queries} queries: {'; '.join(problems)}")


def choice_problem(agreement: float, ties: float, limits: Limits) -> str:
    """A sentence where too many choices differ by more than a tie; empty where they do not."""
    if agreement + ties >= limits.agreement:
        return ""
    tied = f" and {ties:.2%} tied" if ties else ""
    return f"argmax agreement {agreement:.2%}{tied}, needed {limits.agreement:.2%}"


def _familiarity_error(reference: Answers, candidate: Answers) -> float | None:
    if reference.familiarity is None and candidate.familiarity is None:
        return None
    if reference.familiarity is None or candidate.familiarity is None:
        return float("inf")
    return _max_error(reference.familiarity, candidate.familiarity)


def _max_error(reference: npt.NDArray[np.float32], candidate: npt.NDArray[np.float32]) -> float:
    error = np.abs(reference.astype(np.float64) - candidate)
    return float(error.max()) if np.isfinite(error).all() else float("inf")
