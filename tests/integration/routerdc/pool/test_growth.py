import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from routerdc.pool.command import pool
from routerdc.pool.growth import Growth, GrowthOverSeeds, GrowthReport, measure_growth
from routerdc.training.encoder import open_encoder
from tests.support.data.tiny import tiny_datasets, tiny_recipe, write_datasets


def test_an_llm_that_is_needed_is_missed_until_it_is_added_and_one_that_is_not_costs_nothing(
    encoder_folder: Path,
) -> None:
    recipe = tiny_recipe(encoder_folder)
    encoder = open_encoder(recipe.encoder, cache=None)
    train, test = tiny_datasets(60), tiny_datasets(60, seed=3)
    report = measure_growth(train, test, recipe, encoder, sizes=[80], draws=2, seed=0)
    rows = {row.llm: row for row in report.rows}
    assert report.with_all > 75
    assert rows["coder"].not_added < -20
    assert rows["coder"].added[80] > rows["coder"].not_added / 2, "more than half of the way back"
    assert abs(rows["idler"].not_added) < 5
    assert abs(rows["idler"].added[80]) < 5


def _report(seed: int, *rows: Growth) -> GrowthReport:
    return GrowthReport("default", seed, 4, ("test",), 58.0, list(rows))


def test_the_mean_stands_below_the_table() -> None:
    report = _report(0, Growth("a", -1.0, {20: -0.5}), Growth("b", 0.0, {20: 0.25}))
    assert GrowthOverSeeds((report,)).as_markdown().splitlines() == [
        "| LLM left out | not added | from 20 queries |",
        "| --- | ---: | ---: |",
        "| a | -1.00 | -0.50 |",
        "| b | +0.00 | +0.25 |",
        "| mean | -0.50 | -0.12 |",
    ]


def test_several_seeds_are_averaged_and_the_mean_says_how_far_they_differ() -> None:
    reports = _report(0, Growth("a", -1.0, {20: -0.5})), _report(1, Growth("a", 0.0, {20: -0.5}))
    assert GrowthOverSeeds(reports).as_markdown().splitlines()[2:] == [
        "| a | -0.50 | -0.50 |",
        "| mean | -0.50 ± 0.71 | -0.50 ± 0.00 |",
    ]


def test_the_command_writes_table_and_numbers_and_judges_on_held_out_rows_without_test_sets(
    encoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    write_datasets(data, tiny_datasets(30))
    recipe = tiny_recipe(encoder_folder, optimizer={"steps": 5})
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    monkeypatch.chdir(tmp_path)  # features are kept in the current folder
    arguments = [str(data), "--recipe", "mine.yaml", "--queries", "10", "--draws", "1", "--seeds", "2"]
    result = CliRunner().invoke(pool, ["measure", *arguments, "--out", "out", "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out" / "pool-growth.json").read_text())
    answer = json.loads(result.stdout)
    assert answer["seeds"] == report["seeds"]
    assert [row["llm_left_out"] for row in answer["mean_over_seeds"]] == ["adder", "coder", "idler", "mean"]
    assert [one["seed"] for one in report["seeds"]] == [0, 1]
    assert [row["llm"] for row in report["seeds"][1]["rows"]] == ["adder", "coder", "idler"]
    assert report["seeds"][0]["judged_on"] == ["code", "sums"]
    assert "| mean |" in (tmp_path / "out" / "pool-growth.md").read_text()
