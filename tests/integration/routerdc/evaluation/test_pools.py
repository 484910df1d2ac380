"""The page of all pools: which grades are hidden, what a cell holds, and that a run goes on where it was stopped."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from routerdc.data.formats.rows import DataError
from routerdc.evaluation.baselines.frame import BEST_SINGLE, DOMAIN_EXPERT, KNN, KNN_PRIOR, PROBE
from routerdc.evaluation.cross_validation import GROUP
from routerdc.evaluation.measures.cost_report import CALIBRATED
from routerdc.evaluation.measures.judging import IN_DISTRIBUTION, OUT_OF_DISTRIBUTION
from routerdc.evaluation.pools import __main__ as command
from routerdc.evaluation.pools.cell import ROUTER, cell_file, frame_cell, router_cell
from routerdc.evaluation.pools.page import rows, write_page
from routerdc.evaluation.pools.pool import Hidden, Pool, shipped_pools
from routerdc.training.encoder import Encoder, open_encoder
from routerdc.training.recipe import Recipe
from tests.support.data.tiny import tiny_datasets, tiny_recipe, write_datasets
from tests.support.data.two_subjects import embed

TESTED = Pool(name="tested", train=("train",), tests=("test",), without=("idler",), looks=1)
FOLDED = Pool(name="folded", train=("train",), looks=0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_datasets(folder / "train", tiny_datasets(60))
    sums, code = tiny_datasets(30, seed=1)
    write_datasets(folder / "test", [sums, replace(code, name="programs")])
    return folder


@pytest.fixture(scope="module")
def recipe(encoder_folder: Path) -> Recipe:
    return tiny_recipe(encoder_folder)


@pytest.fixture(scope="module")
def encoder(recipe: Recipe) -> Encoder:
    return open_encoder(recipe.encoder, cache=None)


def test_an_llm_keeps_its_grades_on_the_hardest_or_the_easiest_rows_alone(data: Path) -> None:
    hidden = (Hidden(llm="adder", keep="easiest", share=0.4), Hidden(llm="coder", keep="hardest", share=0.25))
    whole, _ = FOLDED.load(data)
    sums, _ = FOLDED.model_copy(update={"hidden": hidden}).load(data)[0]
    complete = next(one for one in whole if one.name == sums.name)
    ease = complete.scores.mean(axis=1)
    graded = ~np.isnan(sums.scores)
    assert graded.sum(axis=0).tolist() == [24, 15, 60]
    assert ease[graded[:, 0]].min() >= ease[~graded[:, 0]].max()
    assert ease[graded[:, 1]].max() <= ease[~graded[:, 1]].min()


def test_a_pool_has_the_llms_that_it_names_and_says_which_it_does_not_find(data: Path) -> None:
    train, test = TESTED.load(data)
    assert {llm for one in [*train, *test] for llm in one.llms} == {"adder", "coder"}
    with pytest.raises(DataError, match="nobody"):
        TESTED.model_copy(update={"llms": ("nobody",), "without": ()}).load(data)


def test_test_sets_of_other_names_are_other_tasks(data: Path, recipe: Recipe, encoder: Encoder) -> None:
    frame, router = frame_cell(TESTED, data, embed), router_cell(TESTED, data, recipe, 0, encoder)
    seen, unseen = rows(TESTED, frame, [router, router])
    assert (seen.group, unseen.group) == (IN_DISTRIBUTION, OUT_OF_DISTRIBUTION)
    assert (seen.rows, seen.seeds, seen.sd, seen.looks) == (30, 2, 0.0, 1)
    assert seen.router == pytest.approx(100 * np.mean([value or 0 for value in router.earned[ROUTER]["sums"]]))
    assert seen.router - seen.frame[BEST_SINGLE] == pytest.approx(seen.over_single)
    assert seen.low <= seen.over_single <= seen.high
    assert seen.calibration is not None
    assert 0 <= seen.calibration <= 1
    assert seen.money == {}  # no row has a cost


def test_rows_with_costs_say_what_is_saved(data: Path, recipe: Recipe, encoder: Encoder, tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        for file in (data / part).iterdir():
            (tmp_path / part / file.name).write_bytes(file.read_bytes())
            prices = "prices: {adder: 1, coder: 2, idler: 0.5}\n"
            (tmp_path / part / file.with_suffix(".yaml").name).write_text(prices, encoding="utf-8")
    frame, router = frame_cell(TESTED, tmp_path, embed), router_cell(TESTED, tmp_path, recipe, 0, encoder)
    money = rows(TESTED, frame, [router, router])[0].money
    assert list(money) == [ROUTER, CALIBRATED, DOMAIN_EXPERT, KNN_PRIOR, KNN, PROBE]
    assert money[ROUTER].aiq == pytest.approx(router.money[ROUTER].aiq)
    assert "| tested: router, calibrated |" in write_page(tmp_path, {"tested": rows(TESTED, frame, [router])}, "x")[
        0
    ].read_text(encoding="utf-8")


def test_folds_judge_every_row_once_in_the_order_of_the_file(data: Path, recipe: Recipe, encoder: Encoder) -> None:
    frame, router = frame_cell(FOLDED, data, embed), router_cell(FOLDED, data, recipe, 1, encoder)
    (found,) = rows(FOLDED, frame, [router])
    assert (found.group, found.rows, found.calibration) == (GROUP, 120, None)
    oracle = [value for part in frame.earned["oracle"].values() for value in part]
    best = np.concatenate([one.scores.max(axis=1) for one in FOLDED.load(data)[0]])
    assert oracle == pytest.approx(best.tolist())


def test_the_command_goes_on_where_it_was_stopped(
    data: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "shipped_pools", lambda: (TESTED,))
    monkeypatch.setattr(command, "load_recipe", lambda _: recipe)
    monkeypatch.setattr(command, "_embed", lambda _: embed)
    arguments = ["--data", str(data), "--seeds", "2", "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(command.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "out" / "pools.md").read_text(encoding="utf-8")
    assert "tested, in distribution" in page
    assert [row["pool"] for row in json.loads((tmp_path / "out" / "pools.json").read_text())] == ["tested", "tested"]
    monkeypatch.setattr(command, "router_cell", None)  # a second run that trained would fail
    monkeypatch.setattr(command, "frame_cell", None)
    assert CliRunner().invoke(command.main, arguments, catch_exceptions=False).exit_code == 0
    assert (tmp_path / "out" / "pools.md").read_text(encoding="utf-8") == page


def test_another_recipe_is_another_cell(recipe: Recipe, tmp_path: Path) -> None:
    other = recipe.changed(optimizer={"steps": 7})
    files = {cell_file(tmp_path, TESTED, one, seed) for one in (recipe, other, None) for seed in (0, 1)}
    assert len(files) == 5  # the frame has no seed
    looked_at_again = TESTED.model_copy(update={"looks": 2})
    assert cell_file(tmp_path, looked_at_again, recipe, 0) == cell_file(tmp_path, TESTED, recipe, 0)


def test_no_pool_of_that_name_is_an_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(command.main, ["--data", str(tmp_path), "--only", "nothing"])
    assert result.exit_code == 2
    assert "no pool begins so: nothing" in result.output


def test_the_shipped_pools_hide_what_they_have() -> None:
    for one in shipped_pools():
        assert not (one.llms and one.without)
        assert not {hidden.llm for hidden in one.hidden} & set(one.without)
