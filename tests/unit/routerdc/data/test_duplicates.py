"""Queries that stand in data sets more than once."""

from routerdc.data.duplicates import contained, repeated


def test_case_and_white_space_make_no_difference() -> None:
    assert repeated(["What is  1+1?", "what is 1+1?\n", "else", "WHAT is 1+1?"]) == 2
    assert contained(["a  b", "A b", "c"], ["x", "a b"]) == 2


def test_different_queries_are_not_duplicates() -> None:
    assert repeated(["a", "b"]) == 0
    assert contained(["a"], ["b"]) == 0
    assert contained([], ["b"]) == 0
