"""Brings results of other programs into the store, where they are answers and grades like any others."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from labelling.importers import (
    helm,
    inspect,
    langfuse,
    litellm,
    llmrouterbench,
    lm_eval,
    mlflow,
    promptfoo,
    routerbench,
)
from labelling.importers.record import Options, Record
from labelling.prompts.redact import Redact, redacted
from labelling.store.records import Cell, Grade
from labelling.store.store import Store

FORMATS: dict[str, Callable[[Path, Options], Iterator[Record]]] = {
    "lm-eval": lm_eval.read,
    "inspect": inspect.read,
    "promptfoo": promptfoo.read,
    "mlflow": mlflow.read,
    "helm": helm.read,
    "litellm": litellm.read,
    "langfuse": langfuse.read,
    "routerbench": routerbench.read,
    "llmrouterbench": llmrouterbench.read,
}


def import_all(
    name: str, paths: Sequence[Path], options: Options, store: Store, redact: Redact | None = None
) -> Counter[str]:
    """Keeps every record of all files; returns how many answers, grades and missing ones there were.

    Nothing is kept of a file that cannot be read to its end. `redact` sees every text before it is kept.

    Raises:
        ImportFormatError: a file is not of this format, or of a version that is not known.
    """
    counts: Counter[str] = Counter()
    for path in paths:
        records = [_redacted(record, redact) for record in FORMATS[name](path, options)]
        store.add_prompts(record.prompt for record in records)
        for record in records:
            _keep(name, record, store, counts)
    return counts


def _redacted(record: Record, redact: Redact | None) -> Record:
    if redact is None:
        return record
    text = None if record.answer.text is None else redact(record.answer.text)
    return replace(record, prompt=redacted(record.prompt, redact), answer=replace(record.answer, text=text))


def _keep(name: str, record: Record, store: Store, counts: Counter[str]) -> None:
    cell = Cell(record.prompt.key, record.llm, record.llm, {"imported": name})
    store.add_answer(cell, record.answer)
    counts["missing" if record.answer.missing else "answers"] += 1
    if record.score is not None and record.answer.missing is None:
        store.add_grade(cell.key, f"{name} {record.metric}".strip(), Grade(record.score))
        counts["grades"] += 1
