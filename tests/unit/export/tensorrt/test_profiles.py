"""The length buckets cover every shape that the model `routerdc` can ask for."""

import pytest

from export.tensorrt.profiles import MAX_ROWS, TUNED_TOKENS, Profile, Shape, profiles
from export.triton.config import read_config


@pytest.mark.parametrize("max_tokens", [16, 32, 64, 100, 512, 8192])
def test_every_length_up_to_the_limit_is_in_exactly_one_bucket(max_tokens: int) -> None:
    lengths = [n for profile in profiles(max_tokens) for n in range(profile.least.tokens, profile.most.tokens + 1)]
    assert lengths == list(range(2, max_tokens + 1))


@pytest.mark.parametrize("max_tokens", [16, 64, 512, 8192])
def test_a_bucket_is_tuned_inside_itself_and_within_the_budget(max_tokens: int) -> None:
    for least, tuned, most in profiles(max_tokens):
        assert least.rows <= tuned.rows <= most.rows
        assert least.tokens <= tuned.tokens <= most.tokens
        assert tuned.rows == 1 or tuned.rows * tuned.tokens <= TUNED_TOKENS


def test_the_shipped_limit_has_two_buckets() -> None:
    assert profiles(64) == [
        Profile(Shape(1, 2), Shape(64, 32), Shape(64, 32)),
        Profile(Shape(1, 33), Shape(64, 64), Shape(64, 64)),
    ]


def test_a_call_may_have_as_many_rows_as_the_model_takes_in_one_batch() -> None:
    assert read_config().max_batch_size == MAX_ROWS
