"""What an engine's choices are worth on scored test sets, by the product's own judge of live decisions.

The choices are written as the gateway's decision log would have them, and `routerdc evaluate-decisions` reads it back,
one test set after the other. An engine that was judged before is not asked again: answers do not change, and a slow
reference needs minutes for all test sets.
"""

import json
import subprocess
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from loadtest.requests.queries import read_queries
from loadtest.requests.query_stream import files
from loadtest.servers.processes import ROUTERDC

IN_DISTRIBUTION, OUT_OF_DISTRIBUTION = "test_in_distribution", "test_out_of_distribution"

Choose = Callable[[Sequence[str]], list[str]]


class QualityError(Exception):
    """The choices could not be judged; the message is the judge's."""


def routed_quality(choose: Choose, data: Path, identity: str, known: Path) -> dict[str, float]:
    """Mean quality in per cent by group of test sets, every test set weighing the same.

    Args:
        choose: the LLM for each query; called for one test set at a time.
        data: folder with the groups' folders.
        identity: the same for engines that choose the same.
        known: file of what was judged before, which this adds to.

    Raises:
        QualityError: the judge refused.
    """
    remembered: dict[str, dict[str, float]] = json.loads(known.read_text()) if known.is_file() else {}
    if (key := f"{identity} on {_fingerprint(files(data))}") not in remembered:
        by_group: dict[str, list[float]] = {}
        for file in files(data):
            by_group.setdefault(file.parent.name, []).append(_judged(choose, file))
        remembered[key] = {group: mean(values) for group, values in by_group.items()}
        known.parent.mkdir(parents=True, exist_ok=True)
        known.write_text(json.dumps(remembered, indent=1) + "\n")
    return remembered[key]


def decision_log(queries: Sequence[str], llms: Sequence[str]) -> str:
    """Lines of the gateway's decision log, with what evaluation reads."""
    return "".join(
        json.dumps(
            {
                "time": "2000-01-01T00:00:00+00:00",
                "query_hash": blake2b(query.encode(), digest_size=16).hexdigest(),
                "llm": llm,
                "reason": "routed",
                "total_ms": 0,
            }
        )
        + "\n"
        for query, llm in zip(queries, llms, strict=True)
    )


def _judged(choose: Choose, file: Path) -> float:
    queries = read_queries(file)
    with TemporaryDirectory() as folder:
        log, report = Path(folder) / "decisions.jsonl", Path(folder) / "report.json"
        log.write_text(decision_log(queries, choose(queries)))
        command = [ROUTERDC, "evaluate-decisions", str(log), "--test", str(file), "--out", str(report)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise QualityError(f"{file}: {ended.stderr[-2000:]}")
        quality: float = json.loads(report.read_text())["judgement"]["live"]["quality"]["mean"]
        return quality


def _fingerprint(paths: Sequence[Path]) -> str:
    digest = blake2b(digest_size=8)
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
