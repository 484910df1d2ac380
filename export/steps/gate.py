"""What every newly made engine has to pass before it replaces the old one.

Does not know how the engine was made.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from export.artefacts.files import REFERENCE_FILE, answers_of, batch_error_of
from export.parity.compare import LIMITS, Answers, Parity, check, compare
from export.parity.samples import sample_queries
from export.parity.scored_queries import RealParity, check_real, compare_on
from export.targets import Precision
from routerdc_contract.bundle import GRAPH_FOLDER, Manifest

BATCH_EVERY = 4  # of the sample queries, which come kind by kind, for a look at batches


def judged(
    bundle: Path, artefacts: Path, precision: Precision, queries: Sequence[Path], name: str
) -> tuple[Parity, RealParity | None]:
    """How the artefacts in the folder `artefacts` agree with torch: on the sample queries, and on those in `queries`.

    Raises:
        ParityError: not well enough for `precision`; the message begins with `name`.
        ExportError: `queries` cannot be used.
    """
    manifest, limits, samples = Manifest.read(bundle), LIMITS[precision], sample_queries()
    reference = Answers.read(bundle / GRAPH_FOLDER / REFERENCE_FILE)
    batch_error = batch_error_of(artefacts, samples[::BATCH_EVERY])
    parity = compare(reference, answers_of(artefacts, samples), manifest.scale, batch_error)
    check(parity, limits, name)
    real = compare_on(queries, bundle, manifest, partial(answers_of, artefacts)) if queries else None
    if real:
        check_real(real, limits, name)
    return parity, real
