"""The evidence for artefacts that run on this machine: their answers alone, in a batch, and on the user's queries."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from export.artefacts.files import REFERENCE_FILE, answers_of, batch_error_of
from export.domain.targets import Precision
from export.parity.compare import LIMITS, Answers
from export.parity.samples import sample_queries
from export.parity.scored_queries import compare_on
from export.steps.step import Evidence
from routerdc_contract.bundle import GRAPH_FOLDER

BATCH_EVERY = 4  # of the sample queries, which come kind by kind, for a look at batches


def reference_of(bundle: Path) -> Answers:
    """Torch's answers to the sample queries, as the graph step stored them."""
    return Answers.read(bundle / GRAPH_FOLDER / REFERENCE_FILE)


def evidence_of(artefacts: Path, bundle: Path, precision: Precision, queries: Sequence[Path]) -> Evidence:
    """Runs the artefacts in a folder on the sample queries, and on the scored queries in `queries`.

    Raises:
        ParityError: an answer is NaN or infinite.
        ExportError: `queries` cannot be used.
    """
    samples = sample_queries()
    return Evidence(
        precision=precision,
        reference=reference_of(bundle),
        answers=answers_of(artefacts, samples),
        batch_error=batch_error_of(artefacts, samples[::BATCH_EVERY]),
        real=compare_on(queries, bundle, LIMITS[precision], partial(answers_of, artefacts)) if queries else None,
    )
