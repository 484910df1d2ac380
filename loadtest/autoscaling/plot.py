"""Traffic, pods and waiting over time, a column for each run."""

from pathlib import Path

import matplotlib as mpl
import numpy as np

from loadtest.autoscaling.simulation import Second, Setting
from loadtest.autoscaling.traffic import Phase, rate_at

mpl.use("Agg")
from matplotlib import pyplot as plt

_SMOOTHED_SECONDS = 5


def plot(runs: dict[str, list[Second]], traffic: tuple[Phase, ...], setting: Setting, file: Path) -> None:
    """Writes the picture to `file`."""
    figure, axes = plt.subplots(3, len(runs), figsize=(7 * len(runs), 8), sharex=True, sharey="row", squeeze=False)
    for column, (name, course) in enumerate(runs.items()):
        top, middle, bottom = axes[:, column]
        seconds = np.arange(len(course), dtype=np.float64)
        minutes = seconds / 60
        top.set_title(name)
        top.plot(minutes, rate_at(traffic, seconds), color="black", label="asked")
        pods = np.array([second.pods for second in course])
        top.plot(minutes, pods * setting.service.capacity, color="tab:green", label="what the pods can compute")
        top.plot(minutes, _smooth([s.queries - s.routed for s in course]), color="tab:red", label="default LLM")
        middle.step(minutes, [second.wanted for second in course], color="tab:orange", label="wanted")
        middle.step(minutes, pods, color="tab:green", label="ready")
        waited = [second.waited * 1e3 for second in course]
        queries = _smooth([second.queries for second in course])
        bottom.plot(
            minutes, _smooth(waited) / np.maximum(queries, 1e-9), color="tab:blue", label="until it is computed"
        )
        bottom.axhline(setting.deadline_seconds * 1e3, color="tab:red", linestyle=":", label="deadline")
        bottom.set_xlabel("minutes")
        for axis in (top, middle, bottom):
            axis.grid(alpha=0.3)
            axis.legend(loc="upper left", fontsize="small")
    for axis, label in zip(axes[:, 0], ("queries a second", "Triton pods", "mean wait of a query, ms"), strict=True):
        axis.set_ylabel(label)
    figure.tight_layout()
    figure.savefig(file, dpi=80)
    plt.close(figure)


def _smooth(values: list[int] | list[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.convolve(values, np.ones(_SMOOTHED_SECONDS) / _SMOOTHED_SECONDS, mode="same")
