"""Cross-validation of a recipe, with a random encoder and two kinds of queries that words tell apart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from routerdc.evaluation.baselines.frame import BEST_SINGLE
from routerdc.evaluation.cross_validation import GROUP, Folds, cross_validate
from routerdc.evaluation.cross_validation_command import cross_validate as command
from routerdc.training.encoder import open_encoder
from tests.support.data.tiny import tiny_datasets, tiny_recipe
from tests.support.data.two_subjects import dataset
from tests.support.data.two_subjects import embed as by_first_word


def test_router_beats_the_best_single_llm_on_rows_it_has_not_seen(encoder_folder: Path) -> None:
    recipe = tiny_recipe(encoder_folder, data={"clusters": "data_set"})
    encoder = open_encoder(recipe.encoder, cache=None)
    report = cross_validate(tiny_datasets(40), recipe, by_first_word, Folds(2), encoder)
    line = {line.name: line.groups[GROUP].mean for line in report.lines}
    assert report.lines[0].name == "router: recipe default"
    assert line["router: recipe default"] > line[BEST_SINGLE] + 10
    assert line["oracle"] >= line["router: recipe default"]
    assert {one.rows for one in report.sets} == {40}


def test_rows_that_a_plan_has_mixed_up_teach_and_do_not_judge(encoder_folder: Path) -> None:
    recipe = tiny_recipe(encoder_folder, data={"clusters": "data_set"})
    encoder = open_encoder(recipe.encoder, cache=None)
    first, second = tiny_datasets(120)
    wrong = first.scores.copy()
    wrong[::2] = 0.0  # would cost every contender half of its quality there
    first = replace(first, scores=wrong, steered=np.arange(120) % 2 == 0)
    report = cross_validate([first, second], recipe, by_first_word, Folds(2), encoder)
    assert {one.name: one.rows for one in report.sets} == {first.name: 60, second.name: 120}
    oracle = next(line for line in report.lines if line.name == "oracle")
    assert oracle.sets[first.name].mean == pytest.approx(100 * first.scores[1::2].max(axis=1).mean())
    assert [note.partition(" rows")[0] for note in report.notes] == [f"{first.name}: 60"]


def test_every_row_is_in_one_fold_and_the_seed_decides_which() -> None:
    rows = dataset("sums", "sum", 23)
    (parts,) = Folds(5, seed=1).of([rows])
    assert sorted(np.bincount(parts)) == [4, 4, 5, 5, 5]
    assert (parts == Folds(5, seed=1).of([rows])[0]).all()
    assert (parts != Folds(5, seed=2).of([rows])[0]).any()


def test_equal_queries_share_a_fold_wherever_they_stand() -> None:
    rows = dataset("sums", "sum", 23)
    twice = rows.select(np.repeat(np.arange(len(rows)), 2))
    once, again = Folds(5, seed=1).of([rows, twice])
    assert (again == np.repeat(once, 2)).all()


@pytest.mark.parametrize(("recipe", "message"), [("paper", "trains its encoder"), ("nowhere", "nowhere")])
def test_a_recipe_that_cannot_be_cross_validated_is_a_one_line_error(tmp_path: Path, recipe: str, message: str) -> None:
    data = tmp_path / "sums.jsonl"
    data.write_text('{"question": "q", "scores": {"a": 1, "b": 0}}\n', encoding="utf-8")
    result = CliRunner().invoke(command, [str(data), "--recipe", recipe])
    assert result.exit_code == 1
    assert message in result.output
