"""The roofline's arithmetic: the least possible time at the peaks, and what of it is reached."""

import pytest

from loadtest.engines.roofline import Row, Work, _row, least_ms, markdown

VNNI = {"fp32 AVX2": 100.0, "int8 AVX2, exact": 150.0, "fp32 AVX-512": 120.0, "int8 VNNI": 480.0}
OLD = {"fp32 AVX2": 100.0, "int8 AVX2, exact": 150.0}
WORK = Work(weights=0.48, attention=0.12)
INT8, FP32 = "ONNX Runtime int8, ranges measured before", "ONNX Runtime fp32"


def test_products_and_attention_have_peaks_of_their_own() -> None:
    assert least_ms(WORK, fp32=120, products=480) == pytest.approx(1 + 1)


@pytest.mark.parametrize(
    ("peak", "engine", "share"),
    [(VNNI, INT8, 0.2), (VNNI, FP32, 0.5), (OLD, INT8, 0.44), (OLD, FP32, 0.6)],
)
def test_the_best_instructions_of_the_core_are_the_yardstick(peak: dict[str, float], engine: str, share: float) -> None:
    row = _row((engine, (4, 64)), 0.010, WORK, peak)
    assert row.share == pytest.approx(share)
    assert row.reached == pytest.approx(60)


def test_tables_name_instructions_and_engines() -> None:
    page = markdown(VNNI, [Row(INT8, (4, 64), 10.0, 60.0, 0.2)])
    assert "| int8 VNNI | 480 |" in page
    assert f"| {INT8} | 4 × 64 | 10.00 | 60 | 20% |" in page
