import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from routerdc.bundle_io import add_neighbours
from routerdc.data.dataset import Dataset
from routerdc.loaded_bundle import Router
from routerdc.model import RouterModel
from routerdc.pool.change import PoolError, with_llm, without_llm
from routerdc.pool.command import pool
from routerdc.training.fit import fit
from routerdc.training.neighbours import neighbours_of
from routerdc_contract.bundle import Manifest
from tests.support.data.tiny import tiny_datasets, tiny_recipe


@pytest.fixture(scope="module")
def bundle(encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A router that knows `adder` and `idler`, and has never heard of `coder`."""
    folder = tmp_path_factory.mktemp("pool") / "two"
    datasets = [dataset.aligned(["adder", "idler"]) for dataset in tiny_datasets()]
    fit(datasets, tiny_recipe(encoder_folder, data={"labels": "shrunk"}), seed=0, cache=None).write(folder, "two")
    return folder


def _scored(rows: int) -> Dataset:
    sums, code = tiny_datasets(rows, seed=5)
    return Dataset("new", sums.queries + code.queries, sums.llms, np.concatenate([sums.scores, code.scores]))


def _write(path: Path, scored: Dataset, llms: list[str]) -> Path:
    scores = scored.aligned(llms).scores.tolist()
    rows = [
        {"question": query, "scores": dict(zip(llms, row, strict=True))}
        for query, row in zip(scored.queries, scores, strict=True)
    ]
    path.write_text(json.dumps(rows))
    return path


def _with_coder(bundle: Path, scored: Dataset) -> tuple[Router, RouterModel]:
    router = Router.load(bundle)
    embedding = torch.from_numpy(router.embed(scored.queries))
    return router, with_llm(router.model, router.llms, embedding, scored, "coder")[0]


def test_neighbours_go_along_to_a_changed_pool(bundle: Path, tmp_path: Path) -> None:
    holding, smaller = tmp_path / "holding", tmp_path / "smaller"
    shutil.copytree(bundle, holding)
    add_neighbours(holding, neighbours_of(Router.load(holding), tiny_datasets(), 5, seed=0))
    result = CliRunner().invoke(pool, ["remove", "idler", "--bundle", str(holding), "--out", str(smaller)])
    assert result.exit_code == 0, result.output
    assert Manifest.read(smaller).neighbours_sha256 == Manifest.read(holding).neighbours_sha256 is not None


def test_an_added_llm_wins_the_queries_it_answers_and_only_those(bundle: Path, tmp_path: Path) -> None:
    scores = _write(tmp_path / "scores.json", _scored(25), ["coder"])
    result = CliRunner().invoke(
        pool, ["add", "coder", "--scores", str(scores), "--bundle", str(bundle), "--out", str(tmp_path / "three")]
    )
    assert result.exit_code == 0, result.output
    assert "on 50 queries that it was not learned from, it would be chosen for " in result.output
    assert "where it is chosen" in result.output
    router = Router.load(tmp_path / "three")
    sums, code = tiny_datasets(seed=7)
    assert router.llms == ("adder", "idler", "coder")
    assert (router.score(code.queries).argmax(axis=1) == 2).mean() > 0.8
    assert (router.score(sums.queries).argmax(axis=1) == 0).mean() > 0.8


def test_all_other_columns_are_bit_identical_after_adding_and_removing(bundle: Path, tmp_path: Path) -> None:
    router, three = _with_coder(bundle, _scored(20))
    two = without_llm(three, ("adder", "idler", "coder"), "coder")
    for name, value in router.model.state_dict().items():
        assert torch.equal(value, two.state_dict()[name])
        if not name.startswith("llm_"):
            assert torch.equal(value, three.state_dict()[name])
    assert torch.equal(three.state_dict()["llm_embeddings"][:2], router.model.llm_embeddings)
    assert torch.equal(three.state_dict()["llm_bias"][:2], router.model.llm_bias)


def test_removing_writes_a_bundle_without_the_llm_and_leaves_the_old_one(bundle: Path, tmp_path: Path) -> None:
    before = Manifest.read(bundle)
    result = CliRunner().invoke(
        pool, ["remove", "adder", "--bundle", str(bundle), "--out", str(tmp_path / "one"), "--json"]
    )
    assert result.exit_code == 0, result.output
    manifest = Manifest.read(tmp_path / "one")
    assert json.loads(result.stdout) == {
        "bundle_id": manifest.bundle_id,
        "out": str(tmp_path / "one"),
        "llms": ["idler"],
    }
    assert manifest.llm_names == ("idler",)
    assert manifest.training["from_bundle"] == before.bundle_id
    assert manifest.training["pool_changes"] == ["removed adder"]
    assert Manifest.read(bundle) == before


def test_scores_of_the_pools_own_llms_tell_luck_from_skill(bundle: Path) -> None:
    """On queries that happened to be hard for all, a new LLM's failures are not held against it."""
    scored = _scored(30)
    unlucky = scored.scores.copy()
    unlucky[::2] = 0.0
    hard = Dataset("hard", scored.queries, scored.llms, unlucky)
    alone = hard.aligned(["coder"])
    _, informed = _with_coder(bundle, hard)
    _, blind = _with_coder(bundle, alone)
    assert not torch.equal(informed.llm_embeddings, blind.llm_embeddings)


def test_caution_lowers_scores_and_not_probabilities_and_fades_with_queries(bundle: Path) -> None:
    router = Router.load(bundle)
    intercepts, rows = [], (10, 25, 400)
    for count in rows:
        scored = _scored(count)
        embedding = torch.from_numpy(router.embed(scored.queries))
        model, calibration = with_llm(router.model, router.llms, embedding, scored, "coder")
        intercepts.append(calibration.intercept)
    assert calibration.slope == 1.0
    assert intercepts == sorted(intercepts, reverse=True)
    assert intercepts[-1] < 0.5 * intercepts[0]
    with torch.no_grad():
        claimed = (model.score(embedding)[:, 2] + calibration.intercept).sigmoid().mean().item()
    assert claimed == pytest.approx(float(scored.aligned(["coder"]).scores.mean()), abs=0.05)


@pytest.mark.parametrize("rows", [1, 2])
def test_next_to_nothing_known_moves_the_new_llm_next_to_nowhere(bundle: Path, rows: int) -> None:
    router, three = _with_coder(bundle, _scored(20).select(range(rows)))
    row = three.llm_embeddings[2]
    assert torch.isfinite(row).all()
    embedding = torch.from_numpy(router.embed(tiny_datasets(seed=7)[0].queries))
    with torch.no_grad():
        scores = three.score(embedding)
    assert (scores[:, 2] < scores[:, :2].max(dim=1).values + 2).all()


@pytest.mark.parametrize(
    ("name", "llms", "reason"),
    [("adder", ["adder"], "in the pool already"), ("other", ["coder"], "no scores of it in new; there are coder")],
)
def test_what_cannot_be_added_is_refused(bundle: Path, name: str, llms: list[str], reason: str) -> None:
    router, scored = Router.load(bundle), _scored(5).aligned(llms)
    with pytest.raises(PoolError, match=reason):
        with_llm(router.model, router.llms, torch.from_numpy(router.embed(scored.queries)), scored, name)


def test_an_unknown_llm_cannot_be_removed_and_the_last_one_neither(bundle: Path, tmp_path: Path) -> None:
    router = Router.load(bundle)
    with pytest.raises(PoolError, match="not in the pool; it holds adder, idler"):
        without_llm(router.model, router.llms, "nobody")
    with pytest.raises(PoolError, match="only LLM"):
        without_llm(without_llm(router.model, router.llms, "adder"), ["idler"], "idler")
    result = CliRunner().invoke(pool, ["remove", "nobody", "--bundle", str(bundle), "--out", str(tmp_path / "x")])
    assert result.exit_code == 2
    assert "has no LLM 'nobody'; it has" in result.output


def test_a_pool_that_knows_familiarity_keeps_it_and_gives_a_newcomer_a_prior(
    encoder_folder: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(encoder_folder, head={"familiarity": True})
    fit([dataset.aligned(["adder", "idler"]) for dataset in tiny_datasets()], recipe, seed=0, cache=None).write(
        tmp_path, "two"
    )
    router, three = _with_coder(tmp_path, _scored(25))
    queries = ["zzz zzz zzz", *tiny_datasets(seed=3)[1].queries]
    before, after = router.model.familiarity, three.familiarity
    embedding = torch.from_numpy(router.embed(queries))
    assert before is not None
    assert after is not None
    torch.testing.assert_close(after(embedding), before(embedding))
    assert after.prior[:2].tolist() == before.prior.tolist()
    torch.testing.assert_close(three.score(embedding)[0], after.prior)
    left = without_llm(three, ["adder", "idler", "coder"], "adder").familiarity
    assert left is not None
    assert left.prior.shape == (2,)
