"""Classes of machines: what a processor can do is read from its flags, whoever made it."""

from pathlib import Path

import pytest

from loadtest import machine

OLD = "flags\t\t: fpu sse4_2 avx2 fma\n"
ZEN4 = "flags\t\t: fpu avx2 avx512f avx512_bf16 avx512_vnni\n"
ALDER_LAKE = "flags\t\t: fpu avx2 avx_vnni\n"
SAPPHIRE_RAPIDS = "flags\t\t: fpu avx2 avx512f avx512_vnni avx512_bf16 amx_bf16 amx_tile amx_int8\n"
GRAVITON = "Features\t: fp asimd asimddp i8mm\n"


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        (OLD, ["AVX2"]),
        (ZEN4, ["AVX2", "AVX-512", "VNNI", "bf16"]),
        (ALDER_LAKE, ["AVX2", "VNNI"]),
        (SAPPHIRE_RAPIDS, ["AVX2", "AVX-512", "VNNI", "bf16", "AMX"]),
        (GRAVITON, ["dot product", "int8 matrices"]),
        ("", []),
    ],
)
def test_instructions(tmp_path: Path, cpuinfo: str, expected: list[str]) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{cpuinfo}processor\t: 1\n{cpuinfo}")
    assert machine.instructions(tmp_path / "cpuinfo") == expected


def test_generations_differ_where_the_name_does_not(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("cpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n")
    assert machine._generation(file) == "25 17"


def test_a_description_has_what_tells_classes_apart() -> None:
    facts = machine.describe()
    assert {"processor", "generation", "cores", "instructions", "clock_ghz"} <= facts.keys()
    assert machine.same_class(facts, facts | {"load_average_before": [9.0]})
    assert not machine.same_class(facts, facts | {"instructions": [*facts["instructions"], "AMX"]})
