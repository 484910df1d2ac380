"""Shares of the queries in flight: whatever some callers do, others find room."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.query import Priority
from gateway.errors import BudgetExceededError
from gateway.limits.query_budget import QueryBudget

ROWS, SINGLE = Priority.BATCH, Priority.INTERACTIVE


def most(budget: QueryBudget, caller: str) -> int:
    """Takes single queries for `caller` until one is refused, and says how many were taken."""
    for taken in itertools.count():
        try:
            budget.take(1, SINGLE, caller)
        except BudgetExceededError:
            return taken
    raise AssertionError


def test_two_large_batches_do_not_take_the_room_of_single_queries() -> None:
    budget = QueryBudget(2048, 0.2)
    budget.take(1024, ROWS, "")
    with pytest.raises(BudgetExceededError, match="1024 rows of batches are in flight, 1024 more do not fit the limit"):
        budget.take(1024, ROWS, "")
    for _ in range(1024):
        budget.take(1, SINGLE, "")
    assert budget.held == 2048
    with pytest.raises(BudgetExceededError, match="2048 queries are in flight"):
        budget.take(1, SINGLE, "")


def test_one_key_takes_half_and_the_next_ones_still_find_room() -> None:
    budget = QueryBudget(100, 0.2)
    assert {caller: most(budget, caller) for caller in "abc"} == {"a": 50, "b": 25, "c": 12}
    with pytest.raises(BudgetExceededError, match="12 queries of c are in flight, 1 more do not fit the limit of 12"):
        budget.take(1, SINGLE, "c")
    budget.take(1, SINGLE, "d")


def test_a_batch_of_another_key_fits_beside_one_that_is_repeated_for_ever() -> None:
    budget = QueryBudget(2048, 0.2)
    budget.take(1024, ROWS, "busy")
    with pytest.raises(BudgetExceededError):
        budget.take(1, ROWS, "busy")
    budget.take(500, ROWS, "other")


def test_the_smallest_limit_lets_one_query_in() -> None:
    budget = QueryBudget(1, 0.2)
    budget.take(1, SINGLE, "team")
    budget.give_back(1, SINGLE, "team")
    budget.take(1, SINGLE, "other")


@given(st.lists(st.tuples(st.integers(1, 60), st.sampled_from([ROWS, SINGLE]), st.sampled_from(["", "a", "b"]))))
def test_what_is_taken_is_given_back_and_a_refusal_takes_nothing(takes: list[tuple[int, Priority, str]]) -> None:
    budget, held = QueryBudget(100, 0.2), []
    for take in takes:
        before = budget.held
        try:
            budget.take(*take)
        except BudgetExceededError:
            assert budget.held == before
        else:
            held.append(take)
            assert budget.held == before + take[0] <= 100
    for take in held:
        budget.give_back(*take)
    assert budget.held == 0
    budget.take(50, ROWS, "a")  # nothing of the past is held against it
