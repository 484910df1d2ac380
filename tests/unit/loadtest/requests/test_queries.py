"""The mix of queries: what is repeated, how long they are, and clear words about files that cannot be used."""

import statistics
from collections import Counter
from pathlib import Path

import pytest

from loadtest.requests.queries import QueriesError, QueryMix, QuerySettings, read_queries
from tests.support.data.public import ROUTERDC, needs_routerdc


def drawn(count: int, seed: int | None = 1, **settings: object) -> list[str]:
    mix = QueryMix(QuerySettings.model_validate(settings), seed)
    return [mix.next() for _ in range(count)]


def test_the_share_of_repeated_queries_is_as_set_and_the_others_are_new() -> None:
    queries = drawn(4000, repeat_share=0.4, popular_queries=50)
    again = sum(count for count in Counter(queries).values() if count > 1)
    assert again / 4000 == pytest.approx(0.4, abs=0.03)


def test_no_query_is_repeated_where_none_should_be() -> None:
    assert len(set(drawn(3000, repeat_share=0))) == 3000


def test_popular_queries_follow_zipfs_law_and_are_the_same_for_everybody() -> None:
    ours, theirs = (Counter(drawn(6000, seed, repeat_share=1, popular_queries=20)) for seed in (1, 2))
    assert set(ours) == set(theirs)
    (_, first), (_, second) = ours.most_common(2)
    assert first / second == pytest.approx(2, rel=0.25)


def test_seeds_make_the_mix_reproducible_and_none_makes_it_new() -> None:
    assert drawn(20, seed=5) == drawn(20, seed=5)
    assert drawn(20, seed=None, repeat_share=0) != drawn(20, seed=None, repeat_share=0)


def test_lengths_are_log_normal_around_the_median() -> None:
    words = [len(query.split()) - 1 for query in drawn(2000, repeat_share=0, median_words=60, words_sigma=0.5)]
    assert statistics.median(words) == pytest.approx(60, rel=0.1)
    assert sorted(words)[int(0.84 * 2000)] / 60 == pytest.approx(1.65, rel=0.1)  # one sigma: e ** 0.5


@needs_routerdc
def test_the_papers_data_can_be_used() -> None:
    files = [file for file in (ROUTERDC / "train").iterdir() if file.suffix in {".json", ".jsonl"}]
    assert sum(len(read_queries(file)) for file in files) > 1000


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "holds no queries"),
        ('{"query": "  "}', "holds no queries"),
        ("not json", "neither JSON Lines nor a JSON array"),
        ('{"query": "fine"}\n{"text": "?"}', "row 2: needs a text in one of the fields query, question"),
        ('{"query": 3}', "row 1"),
        ("[1]", "row 1"),
    ],
)
def test_a_file_without_queries_is_named_with_what_is_wrong(tmp_path: Path, content: str, complaint: str) -> None:
    file = tmp_path / "queries.jsonl"
    file.write_text(content)
    with pytest.raises(QueriesError, match=complaint) as caught:
        read_queries(file)
    assert "queries.jsonl" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(QueriesError, match="nowhere"):
        read_queries(tmp_path / "nowhere")


def test_arrays_and_lines_are_read_alike(tmp_path: Path) -> None:
    lines, array = tmp_path / "a.jsonl", tmp_path / "a.json"
    lines.write_text('{"question": "one"}\n\n{"query": "two"}\n')
    array.write_text('[{"question": "one"}, {"query": "two"}]')
    assert read_queries(lines) == read_queries(array) == ["one", "two"]
