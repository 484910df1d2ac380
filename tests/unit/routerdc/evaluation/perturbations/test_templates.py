"""Templates taken away and options shuffled."""

import re

import numpy as np
import pytest

from routerdc.evaluation.perturbations.templates import shuffle_options, strip_template
from routerdc.evaluation.perturbations.typos import with_typos
from tests.support.data.public import ROUTERDC, needs_routerdc

CHOICE = "Which one?\nA. red\nB. green\nC. blue\nD. none"


@pytest.mark.parametrize(
    ("query", "bare"),
    [
        ("Question:Why is it so?\nAnswer:", "Why is it so?"),
        (CHOICE, "Which one?\nred\ngreen\nblue\nnone"),
        ("哪个？\nA. 红\nB. 绿\nC. 蓝\nD. 无\n答案：", "哪个？\n红\n绿\n蓝\n无"),
        ("哪个____\nA. 1\nB. 2\nC. 3\nD. 4答案：", "哪个____\n1\n2\n3\n4"),
        ('"""\nWrite a function.\nassert f(1) == 2\n"""\n', "Write a function.\nassert f(1) == 2"),
        ("How many apples?", "How many apples?"),
        ('def f():\n    """Doc."""\n', 'def f():\n    """Doc."""\n'),
        ("Question:\nAnswer:", "Question:\nAnswer:"),
    ],
)
def test_frames_and_labels_go_and_the_question_stays(query: str, bare: str) -> None:
    assert strip_template(query) == bare


def test_shuffling_keeps_labels_options_and_frame_but_changes_the_order() -> None:
    generator = np.random.default_rng(0)
    for query in (CHOICE, CHOICE + "\n答案："):
        for _ in range(20):
            shuffled = shuffle_options(query, generator)
            assert shuffled != query
            assert re.findall(r"\n([ABCD])\. ", shuffled) == list("ABCD")
            assert sorted(re.findall(r"red|green|blue|none", shuffled)) == ["blue", "green", "none", "red"]
            assert shuffled.endswith("答案：") == query.endswith("答案：")


def test_query_without_options_is_left_alone() -> None:
    assert shuffle_options("A. is not a choice", np.random.default_rng(0)) == "A. is not a choice"


def test_typos_follow_the_seed_and_the_rate() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 40
    once, again = (with_typos(text, np.random.default_rng(5)) for _ in range(2))
    assert once == again != text
    assert with_typos(text, np.random.default_rng(5), rate=0) == text
    assert 0.9 < len(once) / len(text) < 1.1
    assert with_typos("a", np.random.default_rng(0), rate=1.0).strip()


def test_typos_leave_digits_and_signs_alone() -> None:
    assert with_typos("12 + 34 = 46", np.random.default_rng(0), rate=1.0) == "12 + 34 = 46"


@needs_routerdc
def test_every_template_of_the_papers_data_is_recognised() -> None:
    from routerdc.data.loading import load_all

    generator = np.random.default_rng(0)
    for dataset in load_all([ROUTERDC / "test_in_distribution", ROUTERDC / "test_out_of_distribution"]):
        stripped = np.mean([strip_template(query) != query for query in dataset.queries])
        shuffled = np.mean([shuffle_options(query, generator) != query for query in dataset.queries])
        framed = dataset.name in {"arc_challenge", "cmmlu", "mmlu", "ceval", "mbpp"}
        choices = dataset.name in {"cmmlu", "mmlu", "ceval"}
        assert stripped > 0.99 if framed else stripped < 0.01
        assert shuffled > 0.98 if choices else shuffled < 0.01  # some have four equal options
