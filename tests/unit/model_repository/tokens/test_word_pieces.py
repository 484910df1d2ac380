"""The fast tokenizer gives the ids of the exact one, or is not used."""

import logging
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from tokens import word_pieces

from export.parity.samples import sample_queries

BUNDLE_TOKENIZER = Path(__file__).parents[4] / "bundles/default/tokenizer.json"


def bundle_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(BUNDLE_TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


TOKENIZER = bundle_tokenizer()
FAST, SLOW = word_pieces._by_nanotoken(TOKENIZER), word_pieces._by_tokenizers(TOKENIZER)


@pytest.fixture(autouse=True)
def nothing_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_pieces, "_chosen", {})


def test_a_tokenizer_is_probed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = word_pieces.ids_of(TOKENIZER)
    monkeypatch.delattr(word_pieces, "_probes")
    assert word_pieces.ids_of(bundle_tokenizer()) is first


def test_the_bundles_tokenizer_is_taken_over() -> None:
    assert word_pieces.ids_of(TOKENIZER).__qualname__ == FAST.__qualname__


def test_no_assigned_character_is_left_out() -> None:
    assigned = {code // word_pieces._PLANE for code in range(sys.maxunicode + 1) if is_assigned(chr(code))}
    assert assigned == set(word_pieces._ASSIGNED_PLANES)


def is_assigned(character: str) -> bool:
    return unicodedata.category(character) not in {"Cn", "Cs", "Co"}


def test_samples_have_the_same_ids() -> None:
    assert FAST(sample_queries()) == SLOW(sample_queries())


@settings(deadline=None, max_examples=300)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=80), max_size=8))
def test_any_text_has_the_same_ids(texts: list[str]) -> None:
    assert FAST(texts) == SLOW(texts)


def test_a_tokenizer_of_another_kind_falls_back_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    other = Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]))
    other.pre_tokenizer = pre_tokenizers.Whitespace()
    with caplog.at_level(logging.INFO):
        ids = word_pieces.ids_of(other)
    assert ids(["ab a"]) == [[2, 0]]
    assert "tokenizing by Hugging Face's tokenizers" in caplog.text


def test_without_the_package_it_falls_back(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "nanotoken.nanotoken_rs", None)
    with caplog.at_level(logging.INFO):
        assert word_pieces.ids_of(TOKENIZER)(["hello"]) == SLOW(["hello"])
    assert "nanotoken" in caplog.text


def test_other_ids_are_never_used(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    wrong = [[7]]
    monkeypatch.setattr(word_pieces, "_by_nanotoken", lambda _: lambda texts: wrong * len(texts))
    assert word_pieces.ids_of(TOKENIZER)(["hello"]) == SLOW(["hello"])
    assert "gives other ids" in caplog.text
