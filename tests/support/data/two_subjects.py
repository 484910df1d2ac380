"""A small world: two subjects, three LLMs, and embeddings that tell the subjects apart."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from routerdc.data.dataset import Dataset
from routerdc.evaluation.evaluate import Subject
from routerdc.evaluation.measures import cost_report
from routerdc.evaluation.measures.selection import Floats
from routerdc_contract.bundle import Calibration, LlmSpec

LLMS = ("mathematician", "poet", "cheap")
COSTS = (0.004, 0.003, 0.001)


def embed(queries: Sequence[str]) -> Floats:
    """Two directions by the query's first word, and a little of its length so that no two are the same."""
    subject = np.array([[1.0, 0.0] if query.startswith("sum") else [0.0, 1.0] for query in queries])
    length = np.array([[len(query) / 1000] for query in queries])
    table = np.column_stack([subject, length]).astype(np.float32)
    return np.asarray(table / np.linalg.norm(table, axis=1, keepdims=True))


def score(queries: Sequence[str]) -> Floats:
    """A router that knows the subjects."""
    return np.array([[2, 0, 1] if query.startswith("sum") else [0, 2, 1] for query in queries], dtype=np.float32)


def only_cheap(queries: Sequence[str]) -> Floats:
    """A collapsed router."""
    return np.tile(np.array([[0, 0, 1]], dtype=np.float32), (len(queries), 1))


def dataset(name: str, subject: str, rows: int, seed: int = 0, costs: bool = True) -> Dataset:
    """The expert is right 9 times in 10, the others half the time or less."""
    generator = np.random.default_rng(seed)
    chance = [0.9, 0.2, 0.5] if subject == "sum" else [0.2, 0.9, 0.5]
    right = generator.random((rows, 3)) < chance
    paid = np.tile(np.array(COSTS, dtype=np.float32), (rows, 1))
    queries = tuple(f"{subject} {seed} {'x' * (row % 17)} {row}" for row in range(rows))
    return Dataset(name, queries, LLMS, right.astype(np.float32), paid if costs else None)


@pytest.fixture(scope="module", autouse=True)
def few_resamples() -> Iterator[None]:
    """Of costs, enough for an interval; as many as a report has take a second each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost_report, "AIQ_RESAMPLES", 30)
        yield


@pytest.fixture(scope="session")
def train() -> list[Dataset]:
    return [dataset("sums", "sum", 80, 1), dataset("verses", "verse", 60, 2)]


@pytest.fixture(scope="session")
def test() -> list[Dataset]:
    return [dataset("sums", "sum", 50, 3), dataset("verses", "verse", 40, 4), dataset("odes", "verse", 30, 5)]


@pytest.fixture(scope="session")
def subject() -> Subject:
    fitted = Calibration(slope=1.2, intercept=-1.0)
    return Subject("small", "0" * 16, tuple(LlmSpec(name=llm, calibration=fitted) for llm in LLMS), score)
