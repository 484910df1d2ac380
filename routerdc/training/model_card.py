"""README.md of a bundle: what it is, what it learned from, how, and what was measured; all of it from the manifest."""

from pathlib import Path
from typing import Any

from routerdc_contract.bundle import Manifest

CARD_FILE = "README.md"


def write_model_card(folder: Path, manifest: Manifest) -> None:
    """Writes the model card beside the manifest."""
    sections = [
        _head(manifest),
        _pool(manifest),
        _training(manifest),
        _measured(manifest.metrics),
        _neighbours(manifest),
        _limits(),
    ]
    (folder / CARD_FILE).write_text("\n\n".join(part for part in sections if part) + "\n", encoding="utf-8")


def _head(manifest: Manifest) -> str:
    encoder, tokenizer = manifest.encoder, manifest.tokenizer
    cut = (
        "keep head and tail" if tokenizer.truncation_side == "middle" else f"are cut on the {tokenizer.truncation_side}"
    )
    depth = "all layers" if encoder.layers is None else f"its first {encoder.layers} layers"
    return "\n".join(
        [
            f"# {manifest.name}",
            "",
            f"A RouterDC router over {len(manifest.llms)} LLMs (bundle `{manifest.bundle_id}`): a query's embedding is "
            "compared with one learned embedding per LLM, and the LLM with the highest score should answer.",
            "",
            f"- encoder: `{encoder.name}`, {depth}, {encoder.pooling} pooling, pinned by the SHA-256 of its weights; "
            "the bundle itself holds only what training added or changed",
            f"- limit: {tokenizer.max_tokens} tokens, longer queries {cut}",
            f"- embedding: {manifest.dim} numbers; score = {manifest.scale:g} · cosine + bias of the LLM",
        ]
    )


def _pool(manifest: Manifest) -> str:
    rows = [f"| {index} | `{llm.name}` | {_line(llm.calibration)} |" for index, llm in enumerate(manifest.llms)]
    return "\n".join(["## Pool", "", "| column | LLM | P(correct) |", "|---|---|---|", *rows])


def _line(calibration: Any) -> str:
    if calibration is None:
        return "not calibrated"
    return f"sigmoid({calibration.slope:.3f} · score {calibration.intercept:+.3f})"


def _training(manifest: Manifest) -> str:
    facts = manifest.training
    if not facts:
        return ""
    if prior := facts.get("prior"):
        return _prior(prior)
    recipe, sets = facts.get("recipe", {}), facts.get("data_sets", {})
    lines = [
        "## Training",
        "",
        f"Recipe `{recipe.get('name', '?')}`, seed {facts.get('seed')}, step {facts.get('best_step')} of "
        f"{facts.get('steps')}. The whole recipe and the hash of the data are in `manifest.json`.",
        "",
        "Data: " + ", ".join(f"{name} ({count} queries)" for name, count in sets.items()) + ".",
    ]
    return "\n".join(lines + _graders(facts.get("grading", {})))


def _prior(facts: dict[str, Any]) -> str:
    """What a bundle that was not trained says of where its beliefs are from."""
    lines = [
        "## A prior, not measured on your queries",
        "",
        f"Made on {facts['made']} from a table of beliefs, {facts['about']}. Nothing was trained on graded answers of "
        "these LLMs: your own grades (`routerdc collect`, `routerdc grade`, `routerdc train`) replace it.",
        *(["", "Sources: " + ", ".join(facts["sources"])] if facts["sources"] else []),
    ]
    return "\n".join(lines)


def _graders(grading: dict[str, dict[str, Any]]) -> list[str]:
    """One line for each grader that was compared with people."""
    lines = [
        f"- {name}: `{grader}`, Cohen's kappa with people {agreement['kappa']:.2f} "
        f"({agreement['low']:.2f} to {agreement['high']:.2f}, {agreement['rows']} rows)"
        for name, graders in grading.items()
        for grader, agreement in graders.items()
    ]
    return ["", "Graded by:", *lines] if lines else []


def _measured(metrics: dict[str, Any]) -> str:
    tables = [_table(title.replace("_", " "), table) for title, table in metrics.items() if isinstance(table, dict)]
    return "\n\n".join(["## Measured (quality of the chosen LLM, per cent)", *tables]) if tables else ""


def _table(title: str, rows: dict[str, Any]) -> str:
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [
        f"### {title}",
        "",
        "| | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
        *(
            f"| {name.replace('_', ' ')} | " + " | ".join(str(row.get(c, "")) for c in columns) + " |"
            for name, row in rows.items()
        ),
    ]
    return "\n".join(lines)


def _neighbours(manifest: Manifest) -> str:
    if manifest.neighbours_sha256 is None:
        return ""
    return (
        "## Training queries inside\n\n`neighbours.npz` holds the beginnings of some training queries, as text, with "
        "each LLM's grade, to be shown beside decisions. Everybody who has this bundle, and every caller "
        "whom a gateway explains its decisions to, can read them."
    )


def _limits() -> str:
    return (
        "## Limits\n\nIt knows these LLMs on queries like those it learned from. Where the bundle knows how familiar a "
        "query is, a query of another kind gets the best single LLM; otherwise it gets the choice of the nearest known "
        "kind. P(correct) is calibrated on held-out queries of the training data; under "
        "other queries it is a guess. Nothing here judges whether a query is safe to answer."
    )
