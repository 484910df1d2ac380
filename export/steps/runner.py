"""Runs a step: skips it while its artefacts are current, and replaces them only once the new ones have passed the gate.

This is the only place that decides what is current, swaps folders, compares with torch and writes records.
"""

from export.artefacts.atomic_folder import draft_of
from export.artefacts.files import encoder_sha256
from export.artefacts.record import Record
from export.domain.errors import ParityError
from export.parity.compare import LIMITS, Parity, check, compare
from export.parity.scored_queries import check_real
from export.parity.token_ids import check_tokens
from export.steps.step import Evidence, Step
from routerdc_contract.bundle import Manifest


def run(step: Step) -> tuple[Record, bool]:
    """Returns the record of the step's artefacts, and whether they were made just now.

    Raises:
        ExportError: they cannot be made, or an old artefact is protected.
        ParityError: the new ones do not agree with torch; the old ones stand.
        routerdc_contract.bundle.BundleError: the bundle cannot be used.
    """
    step.refuse_to_replace()
    artefacts, inputs = step.folder / step.record_folder, step.inputs()
    if record := Record.current(artefacts, inputs):
        return record, False
    keep_encoder = Record.of_same_encoder(artefacts, inputs, encoder_sha256(step.bundle))
    return make(step, keep_encoder=keep_encoder), True


def make(step: Step, *, keep_encoder: bool = False) -> Record:
    """Makes the step's artefacts, current or not, and returns their record.

    `keep_encoder`: those of the encoder are taken over from the old ones, which must be of the same.

    Raises:
        ExportError: they cannot be made.
        ParityError: they do not agree with torch; the old ones stand.
        routerdc_contract.bundle.BundleError: the bundle cannot be used.
    """
    inputs, manifest = step.inputs(), Manifest.read(step.bundle)
    with draft_of(step.folder) as draft:
        evidence = step.build_head(draft) if keep_encoder else step.build(draft)
        parity = _gate(step, evidence, manifest.scale) if evidence else None
        return Record.write(
            draft / step.record_folder,
            step.name,
            manifest.bundle_id,
            inputs,
            encoder_sha256(step.bundle),
            parity if evidence and evidence.is_own else None,
            evidence.real if evidence else None,
            evidence.tokens if evidence else None,
        )


def _gate(step: Step, evidence: Evidence, scale: float) -> Parity:
    limits, name = LIMITS[evidence.precision], f"{step.name} in {step.folder}"
    parity = compare(
        evidence.reference, evidence.answers, scale, rounding=limits.rounding, batch_error=evidence.batch_error
    )
    if evidence.tokens:
        check_tokens(evidence.tokens, name)
    try:
        check(parity, limits, name)
        if evidence.real:
            check_real(evidence.real, limits, name)
    except ParityError as error:
        remedy = "" if evidence.precision == "fp32" else ": use --precision fp32, which rounds nothing"
        raise ParityError(f"{error}{remedy}") from None
    return parity
