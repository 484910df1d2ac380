"""MLflow evaluation tables: eval_results_table.json, as `mlflow.log_table` writes it. Made and tested with 3.17.2.

The table does not name the LLM: `--llm` does.
"""

from collections.abc import Iterator
from pathlib import Path

from labelling.errors import ImportFormatError
from labelling.importers.record import Options, Record, need, number, prompt, read_json, seconds_to_ms
from labelling.store.records import Answer

_INPUTS, _OUTPUTS = ("inputs", "question", "prompt"), ("outputs", "prediction", "output")
_TARGETS = ("targets", "ground_truth", "target")


def read(path: Path, options: Options) -> Iterator[Record]:
    """The rows of one table."""
    if options.llm is None:
        raise ImportFormatError(f"{path}: an MLflow table does not name its LLM: give --llm")
    table = read_json(path)
    columns: list[str] = need(table, "columns", str(path))
    inputs, outputs = _first(columns, _INPUTS, path), _first(columns, _OUTPUTS, path)
    metric = options.metric or next((name for name in columns if name.endswith("/score")), None)
    target = next((name for name in _TARGETS if name in columns), "")
    for index, values in enumerate(need(table, "data", str(path)), start=1):
        row, where = dict(zip(columns, values, strict=True)), f"{path}: row {index}"
        answer = Answer(
            text=str(row[outputs]),
            answer_tokens=row.get("token_count"),
            latency_ms=seconds_to_ms(row.get("latency")),
        )
        score = None if metric is None else number(need(row, metric, where), f"{where}: {metric}")
        yield Record(prompt(row[inputs], row.get(target), None, where), options.llm, answer, score, metric or "")


def _first(columns: list[str], names: tuple[str, ...], path: Path) -> str:
    if (found := next((name for name in names if name in columns), None)) is None:
        raise ImportFormatError(f"{path}: none of the columns {', '.join(names)}; there are {', '.join(columns)}")
    return found
