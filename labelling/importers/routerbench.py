"""RouterBench's wide table (Hu et al. 2024), as CSV or Parquet. From the published layout.

Columns are `prompt`, `eval_name`, and for each LLM `NAME` (its score), `NAME|model_response` and `NAME|total_cost`.
The published file is a pickle, which runs whatever is in it when it is read: convert it where you trust it,
`pandas.read_pickle(…).to_parquet(…)`.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labelling.errors import ImportFormatError
from labelling.importers.record import Options, Record, need, number, prompt
from labelling.store.records import Answer

_COST = "|total_cost"


def read(path: Path, options: Options) -> Iterator[Record]:
    """One record for each row and LLM."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path) if path.suffix == ".parquet" else pa_csv.read_csv(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise ImportFormatError(f"{path}: neither CSV nor Parquet: {error}") from None
    llms = [name.removesuffix(_COST) for name in table.column_names if name.endswith(_COST)]
    if not llms:
        raise ImportFormatError(f"{path}: no column NAME{_COST}: not RouterBench's layout")
    for index, row in enumerate(table.to_pylist(), start=1):
        where = f"{path}: row {index}"
        for llm in llms:
            yield _record(row, llm, where)


def _record(row: Mapping[str, Any], llm: str, where: str) -> Record:
    text = row.get(f"{llm}|model_response")
    asked = prompt(_bare(need(row, "prompt", where)), None, str(row.get("eval_name") or "") or None, where)
    answer = Answer(text=_bare(text) if text is not None else "", cost_usd=row[f"{llm}{_COST}"])
    return Record(asked, llm, answer, number(need(row, llm, where), f"{where}: {llm}"), "RouterBench")


def _bare(text: str) -> str:
    """The table holds texts as Python lists of one text."""
    if text.startswith(("['", '["')):
        try:
            parts = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text
        return "\n".join(map(str, parts))
    return text
