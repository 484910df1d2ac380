"""RouterBench's CSV files as rows that training reads: question, scores and costs by LLM, without the answers."""

import ast
import csv
import io
import json

_COST = "|total_cost"


def to_json_lines(content: bytes) -> bytes:
    """Converts one file. A prompt is a Python list of which the first text is what the LLMs were asked."""
    csv.field_size_limit(len(content) + 1)  # an answer may be longer than csv's default of 128 KiB
    reader = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""))
    columns = reader.fieldnames or []
    llms = [name for name in columns if f"{name}{_COST}" in columns]
    return "".join(_line(row, llms) for row in reader).encode()


def _line(row: dict[str, str], llms: list[str]) -> str:
    scores = {llm: float(row[llm]) for llm in llms if row[llm]}
    costs = {llm: float(row[f"{llm}{_COST}"]) for llm in llms if row[f"{llm}{_COST}"]}
    question = ast.literal_eval(row["prompt"])[0]
    return json.dumps({"question": question, "scores": scores, "costs": costs}, ensure_ascii=False) + "\n"
