import pytest

from routerdc.tokenization import Side, token_ids
from tests.support.data.tiny import tiny_tokenizer

QUERY = " ".join(f"w{i}" for i in range(20))


@pytest.mark.parametrize(
    ("side", "kept"),
    [("right", [0, 1, 2, 3, 4, 5]), ("left", [14, 15, 16, 17, 18, 19]), ("middle", [0, 1, 2, 17, 18, 19])],
)
def test_what_is_over_the_limit_is_cut_off_on_the_side_named(side: Side, kept: list[int]) -> None:
    tokenizer = tiny_tokenizer()
    [ids] = token_ids(tokenizer, [QUERY], 8, side)
    assert [tokenizer.id_to_token(one) for one in ids] == ["[CLS]", *(f"w{i}" for i in kept), "[SEP]"]


@pytest.mark.parametrize("limit", [8, 9, 21, 22])
def test_the_middle_is_cut_to_the_limit_and_a_query_within_it_stays_whole(limit: int) -> None:
    [whole] = token_ids(tiny_tokenizer(), [QUERY], 512, "right")
    [cut] = token_ids(tiny_tokenizer(), [QUERY], limit, "middle")
    assert len(cut) == limit
    assert (cut == whole) == (limit == 22)
