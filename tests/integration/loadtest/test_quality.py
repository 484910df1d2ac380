"""Routed quality by the product's own judge, and only once for each engine."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from loadtest.bench.quality import QualityError, routed_quality


def data(folder: Path, question: str = "q") -> Path:
    for group in ("test_in_distribution", "test_out_of_distribution"):
        (folder / group).mkdir(parents=True, exist_ok=True)
    rows = [{"question": f"{question}{i}", "scores": {"good": 1.0, "bad": 0.0}} for i in range(4)]
    (folder / "test_in_distribution" / "arc_challenge_test.json").write_text(json.dumps(rows))
    (folder / "test_out_of_distribution" / "mbpp.json").write_text(json.dumps(rows))
    return folder


def test_quality_is_the_share_of_good_choices_and_an_engine_is_asked_once(tmp_path: Path) -> None:
    asked = list[int]()

    def choose(queries: Sequence[str]) -> list[str]:
        asked.append(len(queries))
        return ["good", "bad", "good", "good"]

    known = tmp_path / "known.json"
    for _ in range(2):
        quality = routed_quality(choose, data(tmp_path), "engine a", known)
        assert quality == {"test_in_distribution": 75, "test_out_of_distribution": 75}
    assert asked == [4, 4]


def test_other_data_are_judged_anew(tmp_path: Path) -> None:
    known = tmp_path / "known.json"
    good = routed_quality(lambda q: ["good"] * len(q), data(tmp_path), "engine a", known)
    bad = routed_quality(lambda q: ["bad"] * len(q), data(tmp_path, "other"), "engine a", known)
    assert (good["test_in_distribution"], bad["test_in_distribution"]) == (100, 0)


def test_what_the_judge_refuses_is_an_error(tmp_path: Path) -> None:
    broken = data(tmp_path)
    (broken / "test_in_distribution" / "arc_challenge_test.json").write_text('[{"question": "q"}]')
    with pytest.raises(QualityError, match="arc_challenge_test"):
        routed_quality(lambda q: ["good"] * len(q), broken, "engine a", tmp_path / "known.json")
