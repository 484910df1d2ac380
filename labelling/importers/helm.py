"""HELM: scenario_state.json, with per_instance_stats.json and run_spec.json beside it. Made and tested with 0.5.16."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labelling.asking.outcome import CUT
from labelling.errors import ImportFormatError
from labelling.importers.record import Options, Record, need, number, prompt, read_json, seconds_to_ms
from labelling.store.records import Answer

_METRICS = ("exact_match", "quasi_exact_match", "final_number_exact_match", "chain_of_thought_correctness")
_Stats = dict[tuple[Any, ...], dict[str, float]]


def read(path: Path, options: Options) -> Iterator[Record]:
    """The instances of one run: give its scenario_state.json.

    Raises:
        ImportFormatError: the grades are not beside it; or HELM has asked for each choice on its own, so that nothing
            is the LLM's answer.
    """
    state = read_json(path)
    specification = need(state, "adapter_spec", str(path))
    stats, domain = _stats(path.with_name("per_instance_stats.json")), _group(path.with_name("run_spec.json"))
    llm = options.llm or specification.get("model")
    for index, request in enumerate(need(state, "request_states", str(path)), start=1):
        where = f"{path}: request {index}"
        if request.get("reference_index") is not None:
            raise ImportFormatError(
                f"{where}: {specification.get('method')} has no answer, but a score of every choice"
            )
        if request.get("result"):
            yield _record(request, stats, llm, domain, options.metric, where)


def _record(
    state: Mapping[str, Any], stats: _Stats, llm: str | None, domain: str | None, metric: str | None, where: str
) -> Record:
    instance, request, result = (need(state, field, where) for field in ("instance", "request", "result"))
    completion = (result.get("completions") or [{}])[0]
    reason = (completion.get("finish_reason") or {}).get("reason")
    values = stats.get(_key(instance["id"], instance, state), {})
    tokens = values.get("num_prompt_tokens")
    answer = Answer(
        text=completion.get("text"),
        missing=CUT if reason == "length" else None if result.get("success", True) else "failed in HELM",
        prompt_tokens=int(tokens) if tokens else None,
        answer_tokens=len(completion["tokens"]) if completion.get("tokens") else None,
        latency_ms=seconds_to_ms(result.get("request_time")),
    )
    metric = metric or next((name for name in _METRICS if name in values), "")
    given = request.get("messages") or need(request, "prompt", where)
    asked = prompt(given, _reference(instance, state.get("output_mapping")), domain, where)
    score = number(values.get(metric), f"{where}: {metric}")
    return Record(asked, str(llm or need(request, "model", where)), answer, score, metric)


def _reference(instance: Mapping[str, Any], letters: Mapping[str, str] | None) -> str | None:
    """The right answer; its letter where the prompt names choices by letters."""
    right = next((r["output"]["text"] for r in instance.get("references", []) if "correct" in r.get("tags", [])), None)
    return next((letter for letter, text in (letters or {}).items() if text == right), right)


def _stats(path: Path) -> _Stats:
    """Mean of each metric by instance, perturbation and trial."""
    if not path.is_file():
        raise ImportFormatError(f"{path}: missing: the grades are in it")
    found: _Stats = {}
    for one in read_json(path):
        values = {stat["name"]["name"]: stat["mean"] for stat in one["stats"] if stat.get("mean") is not None}
        found.setdefault(_key(one["instance_id"], one, one), {}).update(values)
    return found


def _key(instance: Any, perturbed: Mapping[str, Any], trial: Mapping[str, Any]) -> tuple[Any, ...]:
    """An instance is in a run once as it is, and once for each perturbation of it."""
    return instance, json.dumps(perturbed.get("perturbation"), sort_keys=True), trial.get("train_trial_index", 0)


def _group(path: Path) -> str | None:
    groups = read_json(path).get("groups") if path.is_file() else None
    return str(groups[0]) if groups else None
