"""How large a run is: the real one on a GPU, or one that shows on any machine that everything works."""

from dataclasses import dataclass

from loadtest.gpu.encoders import FULL, SMOKE, Encoder


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and on what."""

    encoders: tuple[Encoder, ...]
    target: str
    """of `routerdc export`"""
    precision: str
    device: str
    """of torch"""
    rows: tuple[int, ...]
    tokens: tuple[int, ...]
    seconds: float
    """for each shape; at least three passes"""
    steps: tuple[int, int]
    """of training, few and more: the difference is the time of a step without what comes before"""
    training_rows: int
    training_batch: int
    product: int
    """side of the large matrices whose product is the yardstick"""
    batches: int
    """RouteBatch requests of 64 queries in a round"""
    rounds: int


def full(target: str, precision: str) -> Plan:
    """For a GPU; each step well under ten minutes."""
    rows, tokens = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512), (16, 32, 64, 128, 256, 512)
    return Plan(FULL, target, precision, "cuda", rows, tokens, 0.5, (10, 110), 4096, 64, 8192, 400, 5)


def smoke() -> Plan:
    """Tiny, on the CPU."""
    return Plan(SMOKE, "onnxruntime", "fp32", "cpu", (1, 70), (16, 48), 0.01, (1, 2), 32, 8, 256, 2, 1)
