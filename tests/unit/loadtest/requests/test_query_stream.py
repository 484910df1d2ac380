"""Queries that do not repeat."""

import json
from pathlib import Path

from loadtest.requests.queries import read_queries
from loadtest.requests.query_stream import Supply, files
from routerdc_contract import SAMPLE_QUERIES_FILE


def test_queries_never_repeat() -> None:
    supply = Supply(["a", "b", "b", "c"])
    assert len(supply) == 3
    taken = supply.take(2) + supply.take(7)
    assert sorted(taken) == ["2: a", "2: b", "2: c", "3: a", "3: b", "3: c", "a", "b", "c"]


def test_order_is_the_same_every_time_and_not_the_files() -> None:
    texts = [str(i) for i in range(50)]
    assert Supply(texts).take(50) == Supply(texts).take(50) != texts


def test_test_sets_are_found_by_folder(tmp_path: Path) -> None:
    for folder, text in (("test_x", "first"), ("train", "not this")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.json").write_text(json.dumps([{"question": text}]))
    assert [file.parent.name for file in files(tmp_path)] == ["test_x"]
    assert Supply.of(tmp_path).take(1) == ["first"]


def test_without_test_sets_the_shipped_queries_are_asked(tmp_path: Path) -> None:
    assert Supply.of(tmp_path / "none").take(1)[0] in read_queries(SAMPLE_QUERIES_FILE)
