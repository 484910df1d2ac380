"""HELM: scenario_state.json, and per_instance_stats.json beside it. From the schema of crfm-helm 0.5."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labelling.asking.outcome import CUT
from labelling.errors import ImportFormatError
from labelling.importers.record import Options, Record, need, number, prompt, read_json, seconds_to_ms
from labelling.store.records import Answer

_METRICS = ("exact_match", "quasi_exact_match", "final_number_exact_match", "chain_of_thought_correctness")


def read(path: Path, options: Options) -> Iterator[Record]:
    """The instances of one run: give its scenario_state.json."""
    state = read_json(path)
    specification = need(state, "adapter_spec", str(path))
    stats = _stats(path.with_name("per_instance_stats.json"))
    for index, request in enumerate(need(state, "request_states", str(path)), start=1):
        if not request.get("result"):
            continue
        yield _record(request, stats, specification, options, f"{path}: request {index}")


def _record(
    state: Mapping[str, Any], stats: Mapping[Any, Mapping[str, float]], specification: Mapping[str, Any],
    options: Options, where: str,
) -> Record:  # fmt: skip
    instance, request, result = (need(state, field, where) for field in ("instance", "request", "result"))
    completion = (result.get("completions") or [{}])[0]
    reason = (completion.get("finish_reason") or {}).get("reason")
    answer = Answer(
        text=completion.get("text"),
        missing=CUT if reason == "length" else None if result.get("success", True) else "failed in HELM",
        answer_tokens=len(completion["tokens"]) if completion.get("tokens") else None,
        latency_ms=seconds_to_ms(result.get("request_time")),
    )
    right = [r["output"]["text"] for r in instance.get("references", []) if "correct" in r.get("tags", [])]
    values = stats.get((instance["id"], state.get("train_trial_index", 0)), {})
    metric = options.metric or next((name for name in _METRICS if name in values), "")
    asked = prompt(request.get("messages") or need(request, "prompt", where), right[0] if right else None, None, where)
    llm = options.llm or str(specification.get("model") or need(request, "model", where))
    return Record(asked, llm, answer, number(values.get(metric), f"{where}: {metric}"), metric)


def _stats(path: Path) -> dict[Any, dict[str, float]]:
    """Mean of each metric by instance and trial."""
    if not path.is_file():
        raise ImportFormatError(f"{path}: missing: the grades are in it")
    found: dict[Any, dict[str, float]] = {}
    for one in read_json(path):
        values = {stat["name"]["name"]: stat["mean"] for stat in one["stats"] if stat.get("mean") is not None}
        found.setdefault((one["instance_id"], one.get("train_trial_index", 0)), {}).update(values)
    return found
