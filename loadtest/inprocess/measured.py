"""The worker's end of `loadtest.servers.worker`: commands on stdin, what they took on stdout, one JSON object a line.

    {"do": "batches", "queries": […], "batch": 32}                        one batch after the other
    {"do": "arrivals", "queries": […], "due_seconds": […], "batch": 32}   as they come: what waits, goes together
    {"do": "answers", "queries": […], "batch": 32}                        what each query is answered with

The clock runs here, so that the pipe costs nothing. Standard library only: it runs in environments that have nothing of
this project's.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Answer = Callable[[list[str]], Sequence[Any]]


def serve(answer: Answer, counters: Callable[[], dict[str, float]] = dict) -> None:
    """Obeys until stdin ends. What libraries print goes to stderr.

    Args:
        answer: from a batch of queries to as many answers, which JSON can hold if anybody asks for them.
        counters: numbers that the worker keeps itself; they come with every result.
    """
    results = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    results.write(json.dumps({"ready": True}) + "\n")
    for line in sys.stdin:
        command = json.loads(line)
        result = _DO[command.pop("do")](answer, **command)
        result |= {"peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, **counters()}
        results.write(json.dumps(result) + "\n")


def batches(answer: Answer, queries: list[str], batch: int) -> dict[str, Any]:
    """Seconds, CPU seconds and milliseconds of each batch."""
    took_ms = list[float]()
    started, cpu = time.perf_counter(), time.process_time()
    for part in _parts(queries, batch):
        before = time.perf_counter()
        answer(part)
        took_ms.append((time.perf_counter() - before) * 1000)
    return {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu, "took_ms": took_ms}


def arrivals(answer: Answer, queries: list[str], due_seconds: list[float], batch: int) -> dict[str, Any]:
    """The same, milliseconds of each query, counted from when it was due."""
    took_ms = list[float]()
    started, cpu = time.perf_counter(), time.process_time()
    done = 0
    while done < len(queries):
        time.sleep(max(0.0, started + due_seconds[done] - time.perf_counter()))
        now = time.perf_counter() - started
        end = done + 1
        while end < len(queries) and end - done < batch and due_seconds[end] <= now:
            end += 1
        answer(queries[done:end])
        finished = time.perf_counter() - started
        took_ms += [(finished - due) * 1000 for due in due_seconds[done:end]]
        done = end
    return {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu, "took_ms": took_ms}


def answers(answer: Answer, queries: list[str], batch: int) -> dict[str, Any]:
    """What each query is answered with."""
    return {"answers": [one for part in _parts(queries, batch) for one in answer(part)]}


_DO: dict[str, Callable[..., dict[str, Any]]] = {"batches": batches, "arrivals": arrivals, "answers": answers}


def _parts(queries: list[str], batch: int) -> Iterator[list[str]]:
    return (queries[i : i + batch] for i in range(0, len(queries), batch))
