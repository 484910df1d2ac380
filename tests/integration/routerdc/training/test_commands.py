import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from routerdc.loaded_bundle import Router
from routerdc.training.command import train
from routerdc.training.compute.command import tune_compute
from routerdc.training.compute.search import Point, cheapest_good
from routerdc_contract.bundle import NEIGHBOURS_FILE, BundleError, Manifest, file_sha256
from tests.support.data.tiny import tiny_datasets, tiny_recipe, write_datasets


@pytest.fixture
def files(tmp_path: Path, encoder_folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """(folder of data, recipe file), in an empty current folder."""
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    write_datasets(data, tiny_datasets(30))
    recipe = tiny_recipe(encoder_folder, optimizer={"steps": 5})
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    return data, tmp_path / "mine.yaml"


def test_train_writes_a_bundle_with_a_model_card(files: tuple[Path, Path], tmp_path: Path) -> None:
    data, recipe = files
    result = CliRunner().invoke(train, [str(data), "--recipe", str(recipe), "--out", str(tmp_path / "bundle")])
    assert result.exit_code == 0, result.output
    manifest = Manifest.read(tmp_path / "bundle")
    assert manifest.name == "default-3-llms"
    assert f"bundle {manifest.bundle_id} in {tmp_path / 'bundle'}" in result.output
    assert all(who in result.output for who in ("router", "best single llm", "best llm per data set"))
    assert manifest.training["data_sets"] == {"code": 30, "sums": 30}
    gain = manifest.metrics["over_best_single_llm"]["held_out"]
    assert gain["low"] <= gain["points"] <= gain["high"]
    told = f"than always asking the best single LLM on {gain['rows']} held-out rows: {gain['points']:+.2f}"
    assert told in " ".join(result.output.split())
    assert set(manifest.metrics["held_out"]) == {"router", "best_single_llm", "best_llm_per_data_set"}
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert manifest.bundle_id in card
    assert "Training queries inside" not in card
    assert "neighbours_sha256" not in (tmp_path / "bundle" / "manifest.json").read_text()
    assert not (tmp_path / "bundle" / NEIGHBOURS_FILE).exists()
    assert all(name in card for name in manifest.llm_names)
    assert Router.load(tmp_path / "bundle").score(["add w1"]).shape == (1, 3)


def test_after_a_plan_that_grades_have_steered_nothing_is_proven_without_fair_judges(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    data, recipe = files
    for file in data.iterdir():
        rows = [{**row, "steered": True} for row in json.loads(file.read_text())]
        file.write_text(json.dumps(rows))
    result = CliRunner().invoke(train, [str(data), "--recipe", str(recipe), "--out", str(tmp_path / "bundle")])
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "no fair test whether it is better than always asking the best single LLM" in said
    assert "proven" not in said
    assert "the grades of 30 rows have steered a plan" in said


def test_neighbours_are_in_the_bundle_only_where_training_was_asked_for_them(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    data, recipe = files
    bundle = tmp_path / "bundle"
    arguments = [str(data), "--recipe", str(recipe), "--out", str(bundle)]
    result = CliRunner().invoke(train, [*arguments, "--neighbours", "7"])
    assert result.exit_code == 0, result.output
    manifest = Manifest.read(bundle)
    assert f"bundle {manifest.bundle_id}" in result.output
    assert manifest.neighbours_sha256 == file_sha256(bundle / NEIGHBOURS_FILE)
    assert "Training queries inside" in (bundle / "README.md").read_text()
    with np.load(bundle / NEIGHBOURS_FILE, allow_pickle=False) as arrays:
        assert (arrays["embeddings"].shape, arrays["grades"].shape) == ((7, manifest.dim), (7, 3))
    with (bundle / NEIGHBOURS_FILE).open("ab") as file:
        file.write(b"more")
    with pytest.raises(BundleError, match="neighbours_sha256"):
        Manifest.read(bundle)
    assert CliRunner().invoke(train, arguments).exit_code == 0  # into the same folder, not asked for this time
    assert Manifest.read(bundle).neighbours_sha256 is None
    assert not (bundle / NEIGHBOURS_FILE).exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--recipe", "nonsense"], "no such recipe"),
        (["--encoder", "path:/nowhere"], "path:/nowhere"),
    ],
)
def test_train_says_in_one_line_what_is_wrong(files: tuple[Path, Path], arguments: list[str], reason: str) -> None:
    data, recipe = files
    given = arguments if "--recipe" in arguments else [*arguments, "--recipe", str(recipe)]
    result = CliRunner().invoke(train, [str(data), "--out", "bundle", *given])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert reason in result.output
    assert not Path("bundle").exists()


def test_tune_compute_measures_every_point_and_names_one(files: tuple[Path, Path], tmp_path: Path) -> None:
    data, recipe = files
    grid = ["--layers", "0", "--layers", "2", "--max-tokens", "8", "--side", "middle", "--folds", "2"]
    arguments = [str(data), "--recipe", str(recipe), "--out", str(tmp_path / "o"), *grid, "--json"]
    result = CliRunner().invoke(tune_compute, arguments)
    assert result.exit_code == 0, result.output
    points = json.loads((tmp_path / "o" / "compute.json").read_text())
    answer = json.loads(result.stdout)
    assert [(point["layers"], point["max_tokens"]) for point in answer["points"]] == [(0, 8), (2, 8)]
    assert answer["chosen"] in answer["points"]
    assert [(point["layers"], point["max_tokens"]) for point in points] == [(0, 8), (2, 8)]
    assert points[0]["gflop_per_query"] == 0 < points[1]["gflop_per_query"]
    assert sum(point["chosen"] for point in points) == 1
    assert (tmp_path / "o" / "compute.png").stat().st_size > 1000
    head, _, *rows = (tmp_path / "o" / "compute.md").read_text().splitlines()
    assert head.startswith("| layers | tokens | cut |")
    assert [row.count("chosen") for row in rows] == [point["chosen"] for point in points]


def test_sides_after_the_first_are_measured_at_the_depth_that_is_chosen(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    data, recipe = files
    grid = ["--layers", "0", "--layers", "2", "--max-tokens", "8", "--side", "right", "--side", "left", "--folds", "2"]
    result = CliRunner().invoke(tune_compute, [str(data), "--recipe", str(recipe), "--out", str(tmp_path / "o"), *grid])
    assert result.exit_code == 0, result.output
    points = [
        Point(**{k: v for k, v in row.items() if k != "chosen"})
        for row in json.loads((tmp_path / "o" / "compute.json").read_text())
    ]
    by_side = {side: [point for point in points if point.truncation_side == side] for side in ("right", "left")}
    assert [point.layers for point in by_side["right"]] == [0, 2]
    assert [point.layers for point in by_side["left"]] == [cheapest_good(by_side["right"]).layers]


def test_the_cheapest_point_within_the_tolerance_is_taken() -> None:
    points = [
        Point(1, 64, "right", 1.0, 58.0, 46.0),
        Point(2, 64, "right", 2.0, 59.0, 46.0),
        Point(6, 64, "right", 6.0, 59.2, 46.1),
    ]
    assert cheapest_good(points) == points[1]
    assert cheapest_good(points, tolerance=0.0) == points[2]


def test_head_and_tail_can_be_served_and_is_chosen_by_the_same_rule() -> None:
    points = [Point(2, 64, "middle", 1.0, 60.0, 46.0), Point(2, 128, "right", 2.0, 58.0, 46.0)]
    assert cheapest_good(points) == points[0]
