"""Each format, field by field.

What is under data/ was written by those programs: making/README.md says how, and by which version. The rest follows
their documented schema.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from labelling.errors import ImportFormatError
from labelling.importers.record import Options, Record
from labelling.importers.run import FORMATS, import_all
from labelling.prompts.prompt import Prompt
from labelling.prompts.redact import load_redact
from labelling.store.records import Answer, Cell
from labelling.store.store import Store
from labelling.table.write import write_table
from routerdc.data.loading import load

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


def test_lm_eval_choices() -> None:
    (path,) = (DATA / "lm-eval" / "choices").glob("samples_*.jsonl")
    records = read("lm-eval", path, Options(llm="mine"))
    first, second = records[:2]
    assert len(records) == 3
    assert first.prompt.question == f"Question: {QUESTION}\nAnswer:"
    assert (first.prompt.reference, first.answer.text, first.score) == ("5961", "5961", 1.0)
    assert (second.prompt.reference, second.answer.text, second.metric) == ("Monday", "Monday", "acc")
    assert sum(record.score or 0 for record in records) == 2  # what lm-eval itself reports: 0.6667
    normalised = read("lm-eval", path, Options(llm="mine", metric="acc_norm"))
    assert [record.score for record in normalised] == [1.0, 1.0, 1.0]


def test_lm_eval_filters(tmp_path: Path) -> None:
    sample = {"target": "2", "arguments": [["Q: 1+1?"]], "resps": [["2"]], "metrics": ["acc"]}
    rows = [sample | {"filter": "none", "acc": 1.0}, sample | {"filter": "other", "acc": 0.0}]
    (path := tmp_path / "samples_t_2026.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    chosen = read("lm-eval", path, Options(llm="mine", metric="acc,other"))
    assert [record.score for record in read("lm-eval", path, Options(llm="mine"))] == [1.0]
    assert [(record.prompt.question, record.answer.text, record.score) for record in chosen] == [("Q: 1+1?", "2", 0.0)]


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


def test_promptfoo_results() -> None:
    records = read("promptfoo", DATA / "promptfoo" / "results-0.121.20.json")
    by_llm = {record.llm: record for record in records}
    first, brief = records[:2]
    assert len(records) == 10
    assert (first.prompt.question, first.prompt.reference, first.llm) == (QUESTION, "5961", "almanac")
    assert [message["role"] for message in brief.prompt.messages] == ["system", "user"]
    answer = first.answer
    assert (answer.text, answer.prompt_tokens, answer.answer_tokens) == ("The answer is 5961.", 14, 5)
    assert answer.latency_ms == 582
    assert answer.cost_usd == pytest.approx(1.36e-5)
    assert (first.score, first.metric) == (0.75, "promptfoo")
    assert by_llm["openai:chat:calculator"].answer.cost_usd is None  # promptfoo knows no price and writes 0
    assert {llm: (one.answer.missing, one.score) for llm, one in by_llm.items() if one.answer.missing} == {
        "openai:chat:cut": ("cut by max_tokens", None),
        "openai:chat:filtered": ("refused by a filter", None),
        "openai:chat:failing": ("failed in promptfoo", None),
    }


def test_promptfoo_has_scores_by_name() -> None:
    records = read("promptfoo", DATA / "promptfoo" / "results-0.121.20.json", Options(metric="right"))
    assert [record.score for record in records[:4]] == [1, 1, 1, 1]


def test_promptfoo_takes_no_times_from_its_cache(tmp_path: Path) -> None:
    content = json.loads((DATA / "promptfoo" / "results-0.121.20.json").read_text())
    content["results"]["results"][0]["response"]["cached"] = True
    (path := tmp_path / "r.json").write_text(json.dumps(content))
    assert read("promptfoo", path)[0].answer.latency_ms is None


HELM = DATA / "helm-0.5.16"


def test_helm_runs() -> None:
    records = read("helm", HELM / "scenario_state.json")
    first = records[0]
    assert len(records) == 4
    assert first.prompt.question is not None
    assert first.prompt.question.endswith("Question: Is 70 even or odd?\nA. Even\nB. Odd\nAnswer:")
    assert (first.prompt.reference, first.prompt.domain, first.llm) == ("A", "simple_mcqa", "simple/model1")
    assert (first.answer.text, first.answer.prompt_tokens, first.answer.answer_tokens) == ("Answer:", 385, 1)
    assert first.answer.latency_ms == pytest.approx(0.0183, abs=1e-4)
    assert (first.score, first.metric) == (0.0, "exact_match")


def helm(folder: Path, change: Callable[[Any, Any], None]) -> Path:
    """The real run, changed: `change` gets its request states and its stats of instances."""
    state, stats = (
        json.loads((HELM / f"{name}.json").read_text()) for name in ("scenario_state", "per_instance_stats")
    )
    change(state["request_states"], stats)
    (path := folder / "scenario_state.json").write_text(json.dumps(state))
    (folder / "per_instance_stats.json").write_text(json.dumps(stats))
    return path


def test_helm_perturbations_keep_their_own_grades(tmp_path: Path) -> None:
    def perturb(states: Any, stats: Any) -> None:
        typos = {"name": "typos", "robustness": True}
        states.append(states[0] | {"instance": states[0]["instance"] | {"perturbation": typos}})
        right = {"name": {"name": "exact_match"}, "mean": 1.0}
        stats.append({"instance_id": "id60", "train_trial_index": 0, "perturbation": typos, "stats": [right]})

    records = read("helm", helm(tmp_path, perturb))
    assert (records[0].score, records[-1].score) == (0.0, 1.0)


def test_helm_answers_that_were_cut_or_failed_are_missing(tmp_path: Path) -> None:
    def end(states: Any, stats: Any) -> None:
        states[0]["result"]["completions"][0]["finish_reason"] = {"reason": "length"}
        states[1]["result"]["success"] = False

    records = read("helm", helm(tmp_path, end))
    assert [record.answer.missing for record in records[:3]] == ["cut by max_tokens", "failed in HELM", None]


def test_helm_scores_of_choices_are_no_answers(tmp_path: Path) -> None:
    with pytest.raises(ImportFormatError, match="has no answer, but a score of every choice"):
        read("helm", helm(tmp_path, lambda states, stats: states[0].update(reference_index=0)))


def test_litellm_logs() -> None:
    records = read("litellm", DATA / "litellm" / "standard-logging-1.108.7.jsonl")
    first, last = records[0], records[-1]
    assert [record.llm for record in records] == ["strong", "cut", "filtered", "failing", "strong"]
    assert ([m["role"] for m in first.prompt.messages], first.prompt.question) == (["system", "user"], QUESTION)
    answer = first.answer
    assert (answer.text, answer.prompt_tokens, answer.answer_tokens) == ("The answer is 5961.", 14, 5)
    assert answer.latency_ms == pytest.approx(563.44, abs=0.01)
    assert answer.cost_usd == pytest.approx(5.7e-6)
    assert (first.score, last.answer.text) == (None, "The answer is Monday.")
    assert [record.answer.missing for record in records[1:4]] == [
        "cut by max_tokens",
        "refused by a filter",
        "failed in LiteLLM",
    ]
    assert records[1].answer.cost_usd is None  # LiteLLM knows no price and writes 0


def litellm_row(**changes: Any) -> dict[str, Any]:
    with (DATA / "litellm" / "standard-logging-1.108.7.jsonl").open() as file:
        row: dict[str, Any] = json.loads(file.readline())
    return row | changes


def test_litellm_spend_logs(tmp_path: Path) -> None:
    row = litellm_row()
    kept = ("call_type", "model", "model_group", "prompt_tokens", "completion_tokens", "status")
    spend = {name: row[name] for name in kept} | {
        "spend": 5.7e-6, "startTime": "2026-11-30T02:59:50Z", "endTime": "2026-11-30T02:59:50.500Z",
        "messages": json.dumps(row["messages"]), "response": json.dumps(row["response"]), "cache_hit": "False",
    }  # fmt: skip
    (path := tmp_path / "log.json").write_text(json.dumps([spend, spend | {"cache_hit": "True"}]))
    first, cached = read("litellm", path)
    assert (first.prompt.question, first.answer.text) == (QUESTION, "The answer is 5961.")
    assert (first.answer.latency_ms, first.answer.cost_usd) == (500.0, 5.7e-6)
    assert cached.answer.latency_ms is None


@pytest.mark.parametrize("messages", [[{"role": "user", "content": "redacted-by-litellm"}], "{}", [], None])
def test_litellm_logs_without_texts_are_refused(tmp_path: Path, messages: Any) -> None:
    (path := tmp_path / "log.json").write_text(json.dumps(litellm_row(messages=messages)))
    with pytest.raises(ImportFormatError, match="has not kept the texts"):
        read("litellm", path)


def test_no_text_is_kept_that_has_not_passed_the_hook(tmp_path: Path) -> None:
    row = litellm_row()
    (path := tmp_path / "log.json").write_text(json.dumps(row))
    (hook := tmp_path / "hook.py").write_text("def clean(text):\n    return ''.join('x' for _ in text)\n")
    with Store(tmp_path / "labels.db") as store:
        import_all("litellm", [path], NONE, store, load_redact(f"{hook}:clean"))
    kept = (tmp_path / "labels.db").read_bytes()
    assert b"xxxxxx" in kept
    assert b"Calculate" not in kept
    assert b"5961" not in kept


def test_half_a_surrogate_pair_is_kept_as_a_question_mark(tmp_path: Path) -> None:
    answer = Answer(text="a\ud800", prompt_tokens=1, answer_tokens=1)
    with Store(tmp_path / "labels.db") as store:
        store.add_prompts([asked := Prompt(({"role": "user", "content": "Why?"},), "b\udfff", "c\ud800")])
        store.add_answer(Cell(asked.key, "a", "a", {}), answer)
        kept = store.prompt(asked.key)
        assert (next(store.answers()).answer.text, kept.reference, kept.domain) == ("a?", "b?", "c?")


def test_langfuse_api() -> None:
    good, failed = read("langfuse", DATA / "langfuse" / "api-v2-client-5.0.4.json")
    answer = good.answer
    assert (good.prompt.question, good.llm, answer.text) == (QUESTION, "gpt-x", "The answer is 5961.")
    assert (answer.prompt_tokens, answer.answer_tokens, answer.latency_ms, answer.cost_usd) == (14, 5, 210.0, 0.0002)
    assert (good.score, good.metric) == (1.0, "correct")
    assert (failed.score, failed.answer.missing) == (None, "failed in Langfuse")


def export(folder: Path, scores: list[dict[str, Any]]) -> Path:
    """An export to blob storage: two generations of one trace, and scores in a folder of their own."""
    chat, output = [{"role": "user", "content": QUESTION}], {"role": "assistant", "content": "5961"}
    row = {"type": "GENERATION", "id": "o1", "trace_id": "t1", "provided_model_name": "gpt-x", "latency": 0.21,
           "input": json.dumps(chat), "output": json.dumps(output), "level": "DEFAULT", "total_cost": 0.0002,
           "usage_details": {"input": 14, "output": 5, "total": 19}}  # fmt: skip
    rows = [row, row | {"id": "o2"}, {"type": "SPAN", "id": "o3", "trace_id": "t1"}]
    for name, content in (("observations_v2", rows), ("scores", scores)):
        (folder / name).mkdir()
        (folder / name / "2026.jsonl").write_text("".join(json.dumps(one) + "\n" for one in content))
    return folder / "observations_v2" / "2026.jsonl"


def test_langfuse_exports_have_scores_in_a_folder_of_their_own(tmp_path: Path) -> None:
    score = {"trace_id": "t1", "observation_id": "o1", "name": "correct", "value": 1.0, "data_type": "NUMERIC"}
    other = score | {"name": "tone", "value": 0.0, "data_type": "CATEGORICAL", "string_value": "rude"}
    of_trace = score | {"observation_id": None, "name": "all", "value": 0.5}
    first, second = read("langfuse", export(tmp_path, [other, score, of_trace]))
    answer = first.answer
    assert (first.prompt.question, first.llm, answer.text) == (QUESTION, "gpt-x", "5961")
    assert (answer.prompt_tokens, answer.answer_tokens, answer.latency_ms, answer.cost_usd) == (14, 5, 210.0, 0.0002)
    assert (first.score, first.metric) == (1.0, "correct")
    assert second.score is None  # the trace's score is of two generations


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_routerbench_tables(tmp_path: Path, suffix: str) -> None:
    path = DATA / "routerbench" / "wide-cc67d10.csv"
    if suffix == ".parquet":
        pq.write_table(pa.csv.read_csv(path), path := tmp_path / "table.parquet")
    records = read("routerbench", path)
    first, second = records[:2]
    assert (first.prompt.question, first.prompt.domain) == (QUESTION, "grade-school-math.dev.v0")
    assert {(r.llm, r.answer.text, r.score, r.answer.cost_usd) for r in (first, second)} == {
        ("gpt-4-1106-preview", "The answer is 5961.", 1.0, 0.0002),
        ("mistralai/mistral-7b-chat", "6", 0.0, 0.00001),
    }
    assert records[2].prompt.question == 'It\'s 2 + 2?\nSay "4".'


def test_llmrouterbench_results() -> None:
    (path,) = (DATA / "llmrouterbench").glob("bench/gsm/test/gpt-x/*.json")
    good, ungraded, failed = read("llmrouterbench", path)
    assert (good.prompt.question, good.prompt.reference, good.prompt.domain) == (QUESTION, "5961", "gsm")
    assert (good.llm, good.score, good.answer.text, good.answer.cost_usd) == (
        "gpt-x",
        1.0,
        "The answer is 5961.",
        0.0002,
    )
    assert (good.answer.prompt_tokens, good.answer.answer_tokens) == (14, 5)
    assert (ungraded.score, ungraded.answer.text, ungraded.prompt.reference) == (None, "The Rhine.", None)
    assert (failed.score, failed.answer.text, failed.answer.missing) == (None, None, "failed in LLMRouterBench")


def test_llmrouterbench_demonstrations_are_left_out() -> None:
    (path,) = (DATA / "llmrouterbench").glob("bench/gsm/demo/gpt-x/*.json")
    assert not read("llmrouterbench", path)


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
    files = sorted((DATA / "lm-eval").glob("*/samples_standin_*.jsonl"))
    with Store(tmp_path / "labels.db") as store:
        counts = import_all("lm-eval", files, NONE, store)
        import_all("lm-eval", files, NONE, store)  # again: nothing is there twice
        write_table(tmp_path / "table.jsonl", store)
    data = load(tmp_path / "table.jsonl")
    assert (counts["answers"], counts["grades"]) == (12, 12)
    assert (len(data), set(data.llms)) == (6, {"almanac", "calculator"})
    assert data.scores.mean() == pytest.approx(0.5)


def test_what_imported_answers_cost_was_not_spent_here(tmp_path: Path) -> None:
    file = DATA / "litellm" / "standard-logging-1.108.7.jsonl"
    with Store(tmp_path / "labels.db") as store:
        for _ in range(2):
            import_all("litellm", [file], NONE, store)
        assert store.spent_usd() == 0.0
        assert sum(stored.answer.cost_usd or 0 for stored in store.answers()) == pytest.approx(1.35e-5)
