import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tokens.slicing import pad, padded_rows, slices, widths

LENGTHS = st.lists(st.integers(1, 600), max_size=80)


@given(lengths=LENGTHS, budget=st.integers(1, 4096), parallel=st.integers(1, 16))
def test_every_row_is_in_exactly_one_slice(lengths: list[int], budget: int, parallel: int) -> None:
    rows = [int(row) for part in slices(lengths, budget, parallel) for row in part]
    assert sorted(rows) == list(range(len(lengths)))


@given(lengths=LENGTHS, budget=st.integers(1, 4096), parallel=st.integers(1, 16))
def test_a_slice_of_several_rows_stays_within_the_budget(lengths: list[int], budget: int, parallel: int) -> None:
    for part in slices(lengths, budget, parallel):
        assert len(part) == 1 or len(part) * max(lengths[row] for row in part) <= budget


@given(lengths=LENGTHS, budget=st.integers(1, 4096))
def test_slices_come_shortest_first_so_that_neighbours_are_alike(lengths: list[int], budget: int) -> None:
    seen = [lengths[row] for part in slices(lengths, budget) for row in part]
    assert seen == sorted(seen)


def test_a_full_slice_is_not_cut_early() -> None:
    assert [list(part) for part in slices([10, 10, 10, 10], 20)] == [[0, 1], [2, 3]]


@given(rows=st.integers(2, 80), length=st.integers(1, 600), budget=st.integers(600, 4096))
def test_few_rows_are_dealt_out_to_all_workers(rows: int, length: int, budget: int) -> None:
    assert len(list(slices([length] * rows, budget, parallel=2))) >= 2


def test_many_rows_are_cut_by_the_budget_alone() -> None:
    assert [len(part) for part in slices([10] * 40, 100, parallel=2)] == [10, 10, 10, 10]


def test_padding_is_zero_and_masked() -> None:
    input_ids, attention_mask = pad([np.array([5, 6, 7], dtype=np.int32), np.array([8], dtype=np.int32)], 4)
    assert input_ids.tolist() == [[5, 6, 7, 0], [8, 0, 0, 0]]
    assert attention_mask.tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]
    assert input_ids.dtype == attention_mask.dtype == np.int32


def test_empty_rows_have_one_token_so_that_no_mean_is_of_nothing() -> None:
    input_ids, attention_mask = pad([np.array([5, 6], dtype=np.int32)], 2, count=3)
    assert input_ids.tolist() == [[5, 6], [0, 0], [0, 0]]
    assert attention_mask.tolist() == [[1, 1], [1, 0], [1, 0]]


def test_rows_are_padded_to_the_next_count_that_holds_them() -> None:
    assert [padded_rows(rows, (1, 2, 8)) for rows in (1, 2, 3, 8, 9)] == [1, 2, 8, 8, 9]
    assert padded_rows(7, ()) == 7


@given(lengths=st.lists(st.integers(1, 100), min_size=1), multiple=st.integers(1, 64))
def test_widths_hold_the_rows_and_repeat(lengths: list[int], multiple: int) -> None:
    for length, width in zip(lengths, widths(lengths, multiple, longest=100), strict=True):
        assert length <= width < length + multiple
        assert width % multiple == 0 or width == 100
