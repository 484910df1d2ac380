"""A bundle out of beliefs, over the real encoder and the shipped recogniser."""

import datetime
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from labelling.commands.prior import prior
from labelling.errors import PriorError
from labelling.prior.bundle import write_prior
from labelling.prior.domains import DOMAINS
from labelling.prior.means import table_of
from labelling.prior.recogniser import Recogniser, shipped
from labelling.prior.table import Belief, PriorTable, read_table
from routerdc.data.dataset import Dataset
from routerdc.loaded_bundle import Router

TODAY = datetime.date(2026, 11, 30)
CODE = "def has_close_elements(numbers, threshold):\n    '''Check if any two numbers are closer than threshold.'''\n"
WORDS = "Tom has 3 boxes with 12 apples each. He gives 7 apples to Ann. How many apples are left?"
TABLE = PriorTable(
    about="a test",
    sources=("https://example.org/card",),
    llms={
        "coder": Belief(price=1.0, quality={"default": 0.5, "coding": 0.95}),
        "reckoner": Belief(price=2.0, quality={"default": 0.5, "word-problems": 0.9}),
        "steady": Belief(quality={"default": 0.6}),
    },
)


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return shipped()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, recogniser: Recogniser) -> Path:
    write_prior(folder := tmp_path_factory.mktemp("prior"), TABLE, recogniser, "beliefs", TODAY)
    return folder


def test_queries_go_where_they_are_believed_to_be_answered_best(bundle: Path) -> None:
    router = Router.load(bundle)
    choices = [router.llms[choice] for choice in router.score([CODE, WORDS, "中国的首都是哪里？"]).argmax(axis=1)]
    assert choices == ["coder", "reckoner", "steady"]


def test_scores_are_logits_of_the_beliefs(bundle: Path) -> None:
    router = Router.load(bundle)
    believed = 1 / (1 + np.exp(-router.score([CODE])[0]))
    assert believed == pytest.approx([0.95, 0.5, 0.6], abs=0.05)
    assert all(llm.calibration is not None for llm in router.manifest.llms)


def test_the_card_says_that_it_is_a_prior_from_when_and_from_what(bundle: Path) -> None:
    card = (bundle / "README.md").read_text()
    assert "A prior, not measured on your queries" in card
    assert "2026-11-30" in card
    assert "https://example.org/card" in card


def test_a_table_of_means_holds_what_the_data_hold(recogniser: Recogniser) -> None:
    queries = (CODE, CODE + "pass", WORDS, WORDS + " Think.") * 20
    scores = np.array([[1, 0], [1, 0], [0, 1], [0, 1]] * 20, dtype=np.float32)
    table = table_of([Dataset("d", queries, ("a", "b"), scores)], recogniser, "means of d")
    assert table.llms["a"].quality["coding"] > 0.8 > 0.2 > table.llms["a"].quality["word-problems"]
    assert table.llms["b"].quality["law"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("about: x\nllms: {a: {quality: {default: 0.5}}}", "llms"),
        (
            "about: x\nllms: {a: {quality: {yoga: 1}}, b: {quality: {default: 1}}}",
            "no domain yoga; there are default,",
        ),
        (
            "about: x\nllms: {a: {quality: {codng: 1}}, b: {quality: {default: 1}}}",
            "no domain codng; did you mean coding",
        ),
        ("about: x\nllms: {a: {quality: {coding: 1}}, b: {quality: {default: 1}}}", "nothing for"),
        ("about: x\nllms: {a: {quality: {default: 80}}, b: {quality: {default: 1}}}", "less than or equal to 1"),
        ("llms: [", "not YAML"),
        ("llms: {}\nllms: {}", "llms: appears twice"),
    ],
)
def test_a_wrong_table_is_named_with_its_field(tmp_path: Path, text: str, message: str) -> None:
    (path := tmp_path / "table.yaml").write_text(text)
    with pytest.raises(PriorError, match=message):
        read_table(path)


def test_the_shipped_example_is_dated_sourced_and_usable(tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    assert CliRunner().invoke(prior, ["--example", "--out", str(path)]).exit_code == 0
    table = read_table(path)
    assert re.search(r"as of \d{4}-\d\d-\d\d", table.about)
    assert all(source.startswith("https://") for source in table.sources)
    assert all(belief.price for belief in table.llms.values())
    assert table.llms["grok-4.5"].quality["physics"] == 0.931


def test_the_recogniser_knows_every_domain(recogniser: Recogniser) -> None:
    assert recogniser.domains == tuple(DOMAINS)
