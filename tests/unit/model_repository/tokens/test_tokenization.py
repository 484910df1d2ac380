from functools import cache
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokens.tokenization import Side, Tokenization

from routerdc.tokenization import token_ids

BUNDLE_TOKENIZER = Path(__file__).parents[4] / "bundles/default/tokenizer.json"
CORPUS = ["the quick brown fox jumps over the lazy dog", "def f(x):\n    return x + 1", "中文 和 English", "números"]


def wordpiece() -> Tokenizer:
    return Tokenizer.from_file(str(BUNDLE_TOKENIZER))


def byte_level_bpe() -> Tokenizer:
    """As ModernBERT's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["[CLS]", "[SEP]"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return _with_ends(tokenizer)


def unigram() -> Tokenizer:
    """As XLM-R's and mDeBERTa's."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["[CLS]", "[SEP]", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return _with_ends(tokenizer)


def _with_ends(tokenizer: Tokenizer) -> Tokenizer:
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return tokenizer


KINDS = {"wordpiece": wordpiece(), "byte_level_bpe": byte_level_bpe(), "unigram": unigram()}
WORDS = st.sampled_from(
    ["a", "the", "naïve", "e\u0301", "中文", "x" * 90, "[SEP]", "🙂", "\u200b", "...", "\x1c", "don't"]
)
GAPS = st.sampled_from([" ", "  ", "\n", "\t", " " * 40, "\n\n", "", "\u00a0", " \t "])
TEXTS = st.lists(st.tuples(WORDS, GAPS).map("".join), min_size=1, max_size=120).map("".join)

LIMITS = st.sampled_from([8, 9, 15, 24])
"""Few, since a tokenizer of each limit and kind is loaded."""


@cache
def limited(kind: str, max_tokens: int, side: Side) -> Tokenizer:
    """With the library's own truncation, as training uses it."""
    tokenizer = Tokenizer.from_str(KINDS[kind].to_str())
    tokenizer.enable_truncation(max_tokens, direction=side)
    return tokenizer


@cache
def ours(kind: str, max_tokens: int, side: Side) -> Tokenization:
    """Loaded once: a tokenizer reads its vocabulary for 60 ms."""
    return Tokenization(KINDS[kind], max_tokens, side)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["left", "right"])
@settings(deadline=None)  # the first call loads the tokenizer
@given(text=TEXTS, max_tokens=LIMITS)
@example(text="word " * 500, max_tokens=8)
@example(text=" " * 1000 + "late", max_tokens=8)
@example(text="x" * 300 + " tail", max_tokens=8)
@example(text="head " + "x" * 300, max_tokens=8)
def test_ids_equal_the_librarys_truncation(kind: str, side: Side, text: str, max_tokens: int) -> None:
    assume(len(text) <= (max_tokens - 2) * 64 or text.isspace() or not text.strip().strip("word "))
    tokens = ours(kind, max_tokens, side).encode([text])[0]
    assert tokens.ids.tolist() == limited(kind, max_tokens, side).encode(text).ids


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("word", ["!", "x", "é", "中", "\u200b", "x" * 99 + "!", "[SEP]"])
def test_a_megabyte_without_spaces_costs_what_can_count_and_is_truncated(
    kind: str, side: Side, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenization = ours(kind, 64, side)
    tokenize, lengths = tokenization._ids, []

    def spy(texts: list[str]) -> list[list[int]]:
        lengths.extend([len(text) for text in texts])
        return tokenize(texts)

    monkeypatch.setattr(tokenization, "_ids", spy)
    tokens = tokenization.encode([word * (2**20 // len(word))])[0]
    assert sum(lengths) <= 62 * (8 + 64)
    assert (len(tokens.ids) <= 64, tokens.truncated) == (True, True)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=10)  # each loads a tokenizer, as training does
@given(texts=st.lists(TEXTS, min_size=4, max_size=8), max_tokens=LIMITS)
@example(texts=["word " * 500 + "last"], max_tokens=9)
@example(texts=["x" * 300 + " tail"], max_tokens=8)
def test_cut_in_the_middle_head_and_tail_are_those_of_training(kind: str, texts: list[str], max_tokens: int) -> None:
    texts = [text for text in texts if len(text) <= (max_tokens - 2) * 64 or "word" in text]
    tokens = ours(kind, max_tokens, "middle").encode([*texts, "short", *texts])[-len(texts) :]
    assert [one.ids.tolist() for one in tokens] == token_ids(KINDS[kind], texts, max_tokens, "middle")


def test_of_a_long_text_only_head_and_tail_are_tokenized(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenization = Tokenization(wordpiece(), 64, "middle")
    tokenize, lengths = tokenization._ids, []

    def spy(texts: list[str]) -> list[list[int]]:
        lengths.extend([len(text) for text in texts])
        return tokenize(texts)

    monkeypatch.setattr(tokenization, "_ids", spy)
    tokens = tokenization.encode(["some words " * 10_000])[0]
    assert (len(tokens.ids), tokens.truncated) == (64, True)
    assert sum(lengths) < 2_000


@pytest.mark.parametrize("side", ["left", "right", "middle"])
def test_truncated_is_true_exactly_when_tokens_were_cut_off(side: Side) -> None:
    tokenization = Tokenization(wordpiece(), 8, side)
    fits, too_long, blank_end = tokenization.encode(["one two three four five six", "one " * 7, "six " * 6 + " " * 999])
    assert (fits.truncated, too_long.truncated, blank_end.truncated) == (False, True, False)
    assert (len(fits.ids), len(too_long.ids), len(blank_end.ids)) == (8, 8, 8)


def test_a_long_text_is_not_tokenized_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenization = Tokenization(wordpiece(), 64, "right")
    tokenize, lengths = tokenization._ids, []

    def spy(texts: list[str]) -> list[list[int]]:
        lengths.extend([len(text) for text in texts])
        return tokenize(texts)

    monkeypatch.setattr(tokenization, "_ids", spy)
    assert tokenization.encode(["some words " * 10_000])[0].truncated
    assert sum(lengths) < 1_000


def test_order_is_kept_when_odd_texts_need_a_second_look() -> None:
    tokenization = Tokenization(wordpiece(), 8, "right")
    texts = ["short", "x" * 5000, "word " * 500, "last"]
    together = [tokens.ids.tolist() for tokens in tokenization.encode(texts)]
    assert together == [tokenization.encode([text])[0].ids.tolist() for text in texts]
