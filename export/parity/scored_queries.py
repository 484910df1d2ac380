"""An engine against torch on scored queries that the user has: the same choice nearly always, and worth as much.

Such data may often not be passed on, so what is shipped is the result, in the engine's record.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from export.domain.errors import ExportError, ParityError
from export.parity.compare import Answers, Limits, choice_problem, same_choices
from routerdc_contract.bundle import Manifest

if TYPE_CHECKING:
    from routerdc.data.dataset import Dataset

MOST_OF_A_SET = 500
"""queries, evenly spaced"""
QUALITY_LOSS = 0.2
"""points (per cent) of mean quality that an engine may cost"""


@dataclass(frozen=True)
class RealParity:
    """The comparison."""

    queries: int
    agreement: float
    """share of queries with the same choice"""
    max_score_error: float
    """in units of `scale`"""
    quality_of_torch: float
    """mean over the data sets of what the chosen LLMs are worth, in per cent"""
    quality: float
    """the same of the engine's choices"""
    ties: float = 0.0
    """share of queries with another choice that torch scores about the same (`export.parity.compare.same_choices`)"""


def texts_of(sources: Sequence[Path]) -> list[str]:
    """Every query of the data sets in `sources`.

    Raises:
        ExportError: a file cannot be used, or a package is missing.
    """
    return [query for dataset in _loaded(sources) for query in dataset.queries]


def compare_on(
    sources: Sequence[Path], bundle: Path, limits: Limits, answers: Callable[[Sequence[str]], Answers]
) -> RealParity:
    """Both sides on the data sets in `sources`; `answers` are the engine's.

    Raises:
        ExportError: a file cannot be used, or torch is not installed.
    """
    found = _loaded(sources)
    try:
        from routerdc.loaded_bundle import Router
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    manifest = Manifest.read(bundle)
    datasets = [_thinned(dataset.aligned(manifest.llm_names)) for dataset in found]
    queries = [query for dataset in datasets for query in dataset.queries]
    reference, scores = Router.load(bundle).score(queries), answers(queries).scores
    agreement, ties = same_choices(reference, scores, limits.rounding * manifest.scale)
    return RealParity(
        queries=len(queries),
        agreement=agreement,
        ties=ties,
        max_score_error=float(np.abs(reference - scores).max()) / manifest.scale,
        quality_of_torch=_quality(datasets, reference),
        quality=_quality(datasets, scores),
    )


def check_real(parity: RealParity, limits: Limits, artefact: str) -> None:
    """The gate.

    Raises:
        ParityError: the engine chooses otherwise too often, or worse.
    """
    problems = []
    if problem := choice_problem(parity.agreement, parity.ties, limits):
        problems.append(problem)
    if parity.quality < parity.quality_of_torch - QUALITY_LOSS:
        problems.append(f"choices worth {parity.quality:.2f} %, those of torch {parity.quality_of_torch:.2f} %")
    if problems:
        raise ParityError(f"{artefact} on {parity.queries} real queries: {'; '.join(problems)}")


def _loaded(sources: Sequence[Path]) -> "list[Dataset]":
    if not sources:
        return []
    try:
        from routerdc.data.formats.rows import DataError
        from routerdc.data.loading import load_all
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    try:
        return list(load_all(sources))
    except DataError as error:
        raise ExportError(f"--queries: {error}") from None


def _missing(error: ModuleNotFoundError) -> ExportError:
    return ExportError(f"--queries needs {error.name}: pip install -c constraints.txt 'routerdc-triton[export,train]'")


def _thinned(dataset: "Dataset") -> "Dataset":
    rows = np.linspace(0, len(dataset) - 1, min(len(dataset), MOST_OF_A_SET)).astype(int)
    return dataset.select(rows)


def _quality(datasets: Sequence["Dataset"], scores: npt.NDArray[np.float32]) -> float:
    choice = scores.argmax(axis=1)
    means, start = [], 0
    for dataset in datasets:
        chosen = choice[start : start + len(dataset)]
        means.append(np.nanmean(dataset.quality()[np.arange(len(dataset)), chosen]))
        start += len(dataset)
    return 100 * float(np.mean(means))
