"""Texts to distil on hold nothing of a test set, in whatever form it stands there."""

from routerdc.students.texts import unlabelled


def test_every_query_comes_once_as_it_is_and_without_its_template() -> None:
    assert unlabelled(["Question: one?", "two", "two"], []) == ["Question: one?", "one?", "two"]


def test_what_a_test_set_holds_is_left_out_whatever_its_case_space_or_frame() -> None:
    queries = ["What is  TWELVE times 7?", "Question: who wrote Faust?\nAnswer:", "kept"]
    held_out = ["what is twelve times 7?", "Who wrote Faust?"]
    assert unlabelled(queries, held_out) == ["Question: who wrote Faust?\nAnswer:", "kept"]


def test_a_framed_test_query_keeps_the_bare_one_out() -> None:
    assert unlabelled(["who wrote Faust?"], ["Question: who wrote Faust?\nAnswer:"]) == []
