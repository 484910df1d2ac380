"""How fast answers are stored and graded, by stand-ins that answer at once: `python -m labelling.benchmark.throughput`.

The stand-ins run in a process of their own, so two cores are in use: theirs and ours. CPU times say what two idle cores
would do where others use them, too: neither process can be faster than its core.
"""

import asyncio
import json
import resource
import tempfile
import time
from pathlib import Path

import click

from labelling.asking.asker import Manner
from labelling.benchmark.served import stand_ins
from labelling.collect.run import collect
from labelling.grade.reference import ReferenceGrader
from labelling.grade.run import grade_all
from labelling.pool.endpoints import PoolFile, read_pool
from labelling.prompts.prompt import Prompt
from labelling.standins.tasks import prompts, right_answer
from labelling.store.store import Store


@click.command()
@click.option("--answers", default=10_000, show_default=True)
def main(answers: int) -> None:
    """Prints answers a second of asking and of grading, CPU times, and the memory at a tenth and at the end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with stand_ins(folder, 6):
            figures = asyncio.run(_measured(folder, answers))
        theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures["cpu_ms_per_answer_of_the_stand_ins"] = round(1000 * (theirs.ru_utime + theirs.ru_stime) / answers, 2)
        slower = max(figures["cpu_ms_per_answer"], figures["cpu_ms_per_answer_of_the_stand_ins"])
        figures["asked_per_second_of_two_idle_cores"] = round(1000 / slower, 1)
        click.echo(json.dumps(figures))


async def _measured(folder: Path, answers: int) -> dict[str, float]:
    pool = read_pool(folder / "endpoints.yaml")
    texts = prompts(answers // len(pool.llms))
    found = [Prompt(({"role": "user", "content": text},), reference=right_answer(text)) for text, _ in texts]
    with Store(folder / "labels.db") as store:
        store.add_prompts(found)
        await _ask(found[: len(found) // 10], pool, store)
        early = _memory_mib()
        begun, used = time.monotonic(), time.process_time()
        asked = await _ask(found, pool, store)
        asking, used = time.monotonic() - begun, time.process_time() - used
        begun = time.monotonic()
        graded = (await grade_all(store, ReferenceGrader("normalised"))).graded
        grading = time.monotonic() - begun
    return {
        "answers": answers,
        "asked_per_second": round(asked / asking, 1),
        "cpu_ms_per_answer": round(1000 * used / asked, 2),
        "graded_per_second": round(graded / grading, 1),
        "memory_mib_at_a_tenth": round(early, 1),
        "memory_mib_at_the_end": round(_memory_mib(), 1),
    }


async def _ask(found: list[Prompt], pool: PoolFile, store: Store) -> int:
    cells = [(prompt.key, llm) for prompt in found for llm in pool.llms]
    report = await collect(cells, pool, store, {"max_tokens": 64}, max_usd=1000.0, manner=Manner(concurrency=8))
    return report.answered


def _memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
