"""Each format, field by field.

lm-eval, Inspect and MLflow files were written by those programs (against the stand-ins); the others follow their
documented schema.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from labelling.errors import ImportFormatError
from labelling.importers.record import Options, Record
from labelling.importers.run import FORMATS, import_all
from labelling.store.store import Store
from labelling.table.write import write_table
from routerdc.data.dataset import load

DATA = Path(__file__).with_name("data")
QUESTION = "Calculate 51 * 99 + 912."
NONE = Options()


def read(name: str, path: Path, options: Options = NONE) -> list[Record]:
    return list(FORMATS[name](path, options))


def test_lm_eval_samples() -> None:
    records = read("lm-eval", next((DATA / "lm-eval" / "almanac").glob("samples_*.jsonl")))
    first = records[0]
    assert len(records) == 6
    assert (first.prompt.question, first.prompt.reference, first.prompt.domain) == (QUESTION, "5961", "standin")
    assert (first.llm, first.answer.text, first.score, first.metric) == (
        "almanac",
        "The answer is 5961.",
        1.0,
        "exact_match",
    )
    assert sum(record.score or 0 for record in records) == 4  # what lm-eval itself reports: 0.6667


def test_lm_eval_choices_and_filters(tmp_path: Path) -> None:
    sample = {"target": 1, "arguments": [["Q: 1+1?\nA:", " 2"]], "resps": [[[-0.1, True]]], "metrics": ["acc"]}
    rows = [sample | {"filter": "none", "acc": 1.0}, sample | {"filter": "other", "acc": 0.0}]
    (path := tmp_path / "samples_t_2026.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    chosen = read("lm-eval", path, Options(llm="mine", metric="acc,other"))
    assert [record.score for record in read("lm-eval", path, Options(llm="mine"))] == [1.0]
    assert [(record.prompt.question, record.score) for record in chosen] == [("Q: 1+1?\nA:", 0.0)]


@pytest.mark.parametrize(
    ("file", "llm", "right"), [("almanac.json", "almanac", 4), ("calculator.eval", "calculator", 2)]
)
def test_inspect_logs(file: str, llm: str, right: int) -> None:
    records = read("inspect", DATA / "inspect" / file)
    first = records[0]
    assert len(records) == 6
    assert first.llm == f"openai-api/standin/{llm}"
    assert (first.prompt.question, first.prompt.reference, first.prompt.domain) == (QUESTION, "5961", "standin")
    assert (first.answer.prompt_tokens, first.answer.answer_tokens, first.metric) == (14, 5, "includes")
    assert first.answer.latency_ms is not None
    assert sum(record.score or 0 for record in records) == right


def test_inspect_says_what_failed_or_was_cut(tmp_path: Path) -> None:
    log = json.loads((DATA / "inspect" / "almanac.json").read_text())
    log["samples"][0]["output"]["choices"][0]["stop_reason"] = "max_tokens"
    log["samples"][1]["error"] = {"message": "boom"}
    (path := tmp_path / "log.json").write_text(json.dumps(log))
    assert [r.answer.missing for r in read("inspect", path)[:3]] == ["cut by max_tokens", "failed in Inspect", None]


def test_mlflow_tables() -> None:
    records = read("mlflow", DATA / "mlflow" / "eval_results_table.json", Options(llm="mine"))
    first, second = records
    assert (first.prompt.question, first.prompt.reference, first.llm) == (QUESTION, "5961", "mine")
    assert (first.answer.text, first.answer.answer_tokens, first.answer.latency_ms) == ("The answer is 5961.", 5, 210.0)
    assert (first.score, second.score, first.metric) == (1.0, 0.0, "exact_match/v1/score")


def test_promptfoo_results(tmp_path: Path) -> None:
    good = {
        "provider": {"id": "openai:gpt-x", "label": ""}, "prompt": {"raw": QUESTION, "label": "p"}, "vars": {},
        "response": {"output": "5961", "tokenUsage": {"total": 19, "prompt": 14, "completion": 5}},
        "score": 0.5, "success": False, "namedScores": {"exact": 1}, "latencyMs": 210, "cost": 0.0002,
    }  # fmt: skip
    bad = good | {"response": {"error": "boom"}, "score": 0}
    (path := tmp_path / "r.json").write_text(json.dumps({"results": {"version": 3, "results": [good, bad]}}))
    first, second = read("promptfoo", path)
    assert (first.prompt.question, first.llm, first.answer.text) == (QUESTION, "openai:gpt-x", "5961")
    answer = first.answer
    assert (answer.prompt_tokens, answer.answer_tokens, answer.latency_ms, answer.cost_usd) == (14, 5, 210, 0.0002)
    assert (first.score, second.score, second.answer.missing) == (0.5, None, "failed in promptfoo")
    assert read("promptfoo", path, Options(metric="exact"))[0].score == 1.0


def test_helm_runs(tmp_path: Path) -> None:
    state = {
        "instance": {
            "id": "id1",
            "input": {"text": QUESTION},
            "references": [{"output": {"text": "5961"}, "tags": ["correct"]}],
        },
        "train_trial_index": 0,
        "request": {"model": "org/model", "prompt": QUESTION},
        "result": {
            "success": True,
            "request_time": 0.21,
            "completions": [{"text": "5961", "tokens": [{"text": "5961"}]}],
        },
    }
    stats = [{"instance_id": "id1", "train_trial_index": 0, "stats": [{"name": {"name": "exact_match"}, "mean": 1.0}]}]
    (path := tmp_path / "scenario_state.json").write_text(
        json.dumps({"adapter_spec": {"model": "org/model"}, "request_states": [state]})
    )
    (tmp_path / "per_instance_stats.json").write_text(json.dumps(stats))
    (record,) = read("helm", path)
    assert (record.prompt.question, record.prompt.reference, record.llm) == (QUESTION, "5961", "org/model")
    assert (record.answer.text, record.answer.answer_tokens, record.answer.latency_ms) == ("5961", 1, 210.0)
    assert (record.score, record.metric) == (1.0, "exact_match")


def test_litellm_logs(tmp_path: Path) -> None:
    call = {
        "call_type": "acompletion", "status": "success", "model": "gpt-x", "model_group": "strong",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}],
        "response": {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "5961"}}]},
        "prompt_tokens": 14, "completion_tokens": 5, "response_cost": 0.0002, "startTime": 10.0, "endTime": 10.25,
    }  # fmt: skip
    rows = [call, call | {"status": "failure", "response": {}}, call | {"call_type": "embedding"}]
    (path := tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, second = read("litellm", path)
    assert (first.llm, len(first.prompt.messages), first.prompt.question) == ("strong", 2, QUESTION)
    answer = first.answer
    assert (answer.text, answer.prompt_tokens, answer.answer_tokens) == ("5961", 14, 5)
    assert (answer.latency_ms, answer.cost_usd, first.score) == (250.0, 0.0002, None)
    assert second.answer.missing == "failed in LiteLLM"


@pytest.mark.parametrize("exported", [False, True])
def test_langfuse_generations(tmp_path: Path, exported: bool) -> None:
    chat: Any = [{"role": "user", "content": QUESTION}]
    output: Any = {"role": "assistant", "content": "5961"}
    usage, scores = {"input": 14, "output": 5, "total": 19}, [{"name": "correct", "value": 1.0}]
    api = {"type": "GENERATION", "model": "gpt-x", "input": chat, "output": output, "usageDetails": usage,
           "totalCost": 0.0002, "latency": 0.21, "scores": scores}  # fmt: skip
    export = {"type": "GENERATION", "provided_model_name": "gpt-x", "input": json.dumps(chat),
              "output": json.dumps(output),
              "usage_details": usage, "total_cost": 0.0002, "latency": 0.21, "scores": scores}  # fmt: skip
    content = f"{json.dumps(export)}\n{json.dumps({'type': 'SPAN'})}\n" if exported else json.dumps({"data": [api]})
    (path := tmp_path / "log.jsonl").write_text(content)
    (record,) = read("langfuse", path)
    answer = record.answer
    assert (record.prompt.question, record.llm, answer.text) == (QUESTION, "gpt-x", "5961")
    assert (answer.prompt_tokens, answer.answer_tokens, answer.latency_ms, answer.cost_usd) == (14, 5, 210.0, 0.0002)
    assert (record.score, record.metric) == (1.0, "correct")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_routerbench_tables(tmp_path: Path, suffix: str) -> None:
    table = pa.table({
        "sample_id": ["gsm.1"], "prompt": [f"['{QUESTION}']"], "eval_name": ["grade-school-math"],
        "org/a": [1.0], "b": [0.25], "org/a|model_response": ["['5961']"], "b|model_response": ["['6']"],
        "org/a|total_cost": [0.0002], "b|total_cost": [0.00001], "oracle_model_to_route_to": ["org/a"],
    })  # fmt: skip
    path = tmp_path / f"table{suffix}"
    if suffix == ".parquet":
        pq.write_table(table, path)
    else:
        pa.csv.write_csv(table, path)
    first, second = read("routerbench", path)
    assert (first.prompt.question, first.prompt.domain, first.answer.text) == (QUESTION, "grade-school-math", "5961")
    assert [(r.llm, r.score, r.answer.cost_usd) for r in (first, second)] == [
        ("org/a", 1.0, 0.0002),
        ("b", 0.25, 0.00001),
    ]


def test_llmrouterbench_results(tmp_path: Path) -> None:
    record = {"index": 1, "origin_query": QUESTION, "prompt": f"Think. {QUESTION}", "prediction": "5961",
              "ground_truth": "5961", "score": 1.0, "prompt_tokens": 14, "completion_tokens": 5,
              "cost": 0.0002}  # fmt: skip
    path = tmp_path / "bench" / "gsm" / "test" / "m" / "20260101.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"performance": 1.0, "counts": 1, "records": [record]}))
    (found,) = read("llmrouterbench", path)
    assert (found.prompt.question, found.prompt.reference, found.prompt.domain) == (QUESTION, "5961", "gsm")
    assert (found.llm, found.score, found.answer.text, found.answer.cost_usd) == ("m", 1.0, "5961", 0.0002)
    assert (found.answer.prompt_tokens, found.answer.answer_tokens) == (14, 5)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("inspect", {"version": 3, "eval": {}}, "version 3, known is 2"),
        ("promptfoo", {"results": {"version": 2, "results": []}}, "version 2, known is 3"),
        ("promptfoo", {"evals": []}, "no field results"),
        ("lm-eval", {"doc": {}}, "give --llm"),
        ("mlflow", {"columns": [], "data": []}, "give --llm"),
        ("helm", {"other": 1}, "no field adapter_spec"),
        ("litellm", {"call_type": "completion"}, "no field model"),
        ("langfuse", {"name": "x"}, "no field type"),
        ("llmrouterbench", {"results": []}, "no field records"),
    ],
)
def test_other_formats_and_versions_say_so(tmp_path: Path, name: str, content: Any, message: str) -> None:
    (path := tmp_path / "file.json").write_text(json.dumps(content))
    with pytest.raises(ImportFormatError, match=message):
        read(name, path)


def test_what_is_imported_becomes_a_table(tmp_path: Path) -> None:
    files = sorted((DATA / "lm-eval").glob("*/samples_*.jsonl"))
    with Store(tmp_path / "labels.db") as store:
        counts = import_all("lm-eval", files, NONE, store)
        import_all("lm-eval", files, NONE, store)  # again: nothing is there twice
        write_table(tmp_path / "table.jsonl", store)
    data = load(tmp_path / "table.jsonl")
    assert (counts["answers"], counts["grades"]) == (12, 12)
    assert (len(data), set(data.llms)) == (6, {"almanac", "calculator"})
    assert data.scores.mean() == pytest.approx(0.5)
