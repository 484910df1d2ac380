import pytest

from gateway.errors import BudgetExceededError, OverloadedError
from gateway.limits.budget import Budget


def test_what_does_not_fit_is_refused_whole_and_the_refusal_says_which_budget_it_is() -> None:
    budget = Budget(10, "bytes of request bodies are held", retry_after_seconds=0.25)
    budget.take(7)
    with pytest.raises(BudgetExceededError) as caught:
        budget.take(4)
    assert str(caught.value) == "7 bytes of request bodies are held, 4 more do not fit the limit of 10; retry in 250 ms"
    assert isinstance(caught.value, OverloadedError)
    assert (budget.held, caught.value.retry_after_seconds) == (7, 0.25)


def test_what_is_given_back_can_be_taken_again() -> None:
    budget = Budget(10, "queries")
    budget.take(10)
    assert not budget.fits(1)
    budget.give_back(4)
    budget.take(4)
    assert budget.held == 10
