"""What a pass costs in floating-point operations."""

import pytest

from loadtest.gpu.encoders import FULL


@pytest.mark.parametrize(
    ("name", "gflops"),
    [
        ("MiniLM", 2 * 10.6e6 * 128 / 1e9 + 6 * 4 * 128 * 128 * 384 / 1e9),  # twice its weights, and attention
        ("mDeBERTa-sized", 2 * 84.9e6 * 128 / 1e9 + 12 * (4 * 128 + 4 * 256) * 128 * 768 / 1e9),
    ],
)
def test_operations_are_twice_the_weights_and_attention(name: str, gflops: float) -> None:
    encoder = next(one for one in FULL if one.name == name)
    assert encoder.flops(1, 128) / 1e9 == pytest.approx(gflops, rel=0.01)
    assert encoder.flops(8, 128) == 8 * encoder.flops(1, 128)
