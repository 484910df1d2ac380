"""Step `report`: what the other steps wrote → gpu.md with its plot."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

GOALS = {"MiniLM": 0.4, "mDeBERTa-sized": 0.8}
"""RouteBatch(64) through the gateway over the engine alone"""
USEFUL = 0.35
"""FLOP/s of the mDeBERTa-sized engine on real tokens over those of a large matrix product"""


def write_report(folder: Path) -> None:
    """Reads *.json in `folder`; a step that was not run is missing in the report, and named."""
    parts = {name: _read(folder, name) for name in ("product", "train", "engine", "served")}
    lines = [*_head(parts), *_served(parts), *_engine(parts), *_training(parts)]
    if missing := [name for name, content in parts.items() if content is None]:
        lines += ["", f"Not run: {', '.join(missing)}."]
    if parts["engine"]:
        _plot(parts, folder / "gpu.png")
        lines += ["", "![Rows a second and share of the large product, by shape](gpu.png)"]
    (folder / "gpu.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _head(parts: dict[str, Any]) -> Iterator[str]:
    yield "# The router on a GPU"
    yield ""
    if product := parts["product"]:
        rate = product["flops"] / 1e12
        yield f"{product['device']}, {product['precision']}. A large matrix product: {rate:.4g} TFLOP/s."
        yield f"Target {product['target']}. Encoders have random weights: only their shapes matter here."


def _served(parts: dict[str, Any]) -> Iterator[str]:
    if not parts["served"]:
        return
    yield from ("", "## Real queries in batches of 64, queries a second", "")
    yield "| encoder | engine alone | Triton | gateway, RouteBatch(64) | Triton / engine | gateway / engine | goal |"
    yield "|---|---|---|---|---|---|---|"
    for row in parts["served"]:
        alone, goal = row["engine"], GOALS[row["encoder"]]
        rates = " | ".join(f"{row[way]:,.0f}" for way in ("engine", "triton", "gateway"))
        ratios = f"{row['triton'] / alone:.2f} | {row['gateway'] / alone:.2f}"
        yield f"| {row['encoder']} | {rates} | {ratios} | ≥ {goal} |"


def _engine(parts: dict[str, Any]) -> Iterator[str]:
    if not parts["engine"]:
        return
    for encoder in dict.fromkeys(row["encoder"] for row in parts["engine"]):
        rows = [row for row in parts["engine"] if row["encoder"] == encoder]
        widths = sorted({row["tokens"] for row in rows})
        yield from ("", f"## {encoder}: ms a pass, rows a second, share of the large product", "")
        yield "| rows | " + " | ".join(f"{width} tokens" for width in widths) + " |"
        yield "|---" * (len(widths) + 1) + "|"
        for count in sorted({row["rows"] for row in rows}):
            cells = [_cell(row, parts["product"]) for row in rows if row["rows"] == count]
            yield f"| {count} | " + " | ".join(cells) + " |"
        if parts["product"]:
            best = max(row["flops"] for row in rows) / parts["product"]["flops"]
            goal = f" (goal ≥ {USEFUL})" if encoder == "mDeBERTa-sized" else ""
            yield from ("", f"Best share: {best:.3f}{goal}.")


def _cell(row: dict[str, Any], product: dict[str, Any] | None) -> str:
    share = f", {row['flops'] / product['flops']:.2f}" if product else ""
    return f"{row['ms']:.3g} ms, {row['queries_per_second']:,.0f}/s{share}"


def _training(parts: dict[str, Any]) -> Iterator[str]:
    if not parts["train"]:
        return
    yield from ("", "## Fine-tuning the whole encoder", "")
    yield "| encoder | batch | s a step | 1,000 steps, min | before the first step, s |"
    yield "|---|---|---|---|---|"
    for row in parts["train"]:
        yield (
            f"| {row['encoder']} | {row['batch']} | {row['step_seconds']:.3f} | {row['paper_minutes']:.1f} | "
            f"{row['seconds_before_the_first_step']:.1f} |"
        )


def _plot(parts: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    encoders = list(dict.fromkeys(row["encoder"] for row in parts["engine"]))
    figure, axes = plt.subplots(2, len(encoders), figsize=(5 * len(encoders), 7), squeeze=False, sharex=True)
    for column, encoder in enumerate(encoders):
        for tokens in sorted({row["tokens"] for row in parts["engine"]}):
            rows = [row for row in parts["engine"] if (row["encoder"], row["tokens"]) == (encoder, tokens)]
            counts = [row["rows"] for row in rows]
            axes[0, column].loglog(counts, [row["queries_per_second"] for row in rows], ".-", label=f"{tokens} tokens")
            if parts["product"]:
                shares = [row["flops"] / parts["product"]["flops"] for row in rows]
                axes[1, column].semilogx(counts, shares, ".-", label=f"{tokens} tokens")
        axes[0, column].set(title=encoder, ylabel="rows a second")
        axes[1, column].set(xlabel="rows", ylabel="FLOP/s over a large product's", ylim=(0, None))
    axes[0, 0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _read(folder: Path, name: str) -> Any:
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
