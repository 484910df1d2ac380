"""Token ids of texts without special tokens: by nanotoken if it gives the same ids, else by Hugging Face's tokenizers.

nanotoken (WordPiece in Rust) takes a tenth of the time, and tokenizing is most of what Triton's host does for a query.
It is used only if it gives exactly the same ids for probes of every Unicode block and every odd form, which are tried
at loading. Whatever it cannot do (another kind of tokenizer, another processor, a missing package) falls back, and the
log says why.
"""

import logging
import unicodedata
from collections.abc import Callable, Iterator
from itertools import chain

from tokenizers import Tokenizer

IdsOf = Callable[[list[str]], list[list[int]]]
"""texts → ids of each, without special tokens"""

log = logging.getLogger("routerdc.tokenization")

_BLOCK = 64
_PLANE = 0x10000
_ASSIGNED_PLANES = (0, 1, 2, 3, 14)
"""Those of Unicode with characters; of the others, most of all code points, none has a meaning that all agree on."""
_ODD = (
    "",
    " ",
    "\t\r\n",
    "a" * 300,
    "[CLS] [SEP] [MASK] [PAD] [UNK] [cls]",
    "naïve café ÀÉÎ ﬁ ǆ ß İ ı ẞ",
    "e\u0301e\u0301 \u200b\u200d\ufeff\u00ad zero",
    "模型 的 中文，。 ひらがな カタカナ 한국어 ไทย हिन्दी العربية עברית",
    "👩‍👩‍👧‍👦 🇩🇪 ½ ² Ⅷ № ™",
    "don't it's 3.14 1,000 a_b-c/d\\e @x #y $5 100% <tag/> {json: [1, 2]}",
    "\x00\x01\x7f\x80\xa0 control",
    "supercalifragilisticexpialidocious " * 20,
)


_chosen: dict[int, IdsOf] = {}
"""By hash of a tokenizer: a process that loads several versions of a model makes and probes each tokenizer once."""


def ids_of(tokenizer: Tokenizer) -> IdsOf:
    """The fastest function that gives the ids of `tokenizer`."""
    if (key := hash(tokenizer.to_str())) not in _chosen:
        _chosen[key] = _fastest(tokenizer)
    return _chosen[key]


def _fastest(tokenizer: Tokenizer) -> IdsOf:
    slow, probes = _by_tokenizers(tokenizer), list(_probes())
    try:
        fast = _by_nanotoken(tokenizer)
        same = fast(probes) == slow(probes)
    except (ImportError, ValueError, RuntimeError) as error:
        log.info("tokenizing by Hugging Face's tokenizers: %s", error)
        return slow
    if not same:
        log.warning("tokenizing by Hugging Face's tokenizers: nanotoken gives other ids for this tokenizer")
        return slow
    return fast


def _by_tokenizers(tokenizer: Tokenizer) -> IdsOf:
    def ids(texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    return ids


def _by_nanotoken(tokenizer: Tokenizer) -> IdsOf:
    from nanotoken.nanotoken_rs import WordPieceTokenizer

    fast = WordPieceTokenizer.from_json(tokenizer.to_str())

    def ids(texts: list[str]) -> list[list[int]]:
        # One thread: instances of the model are what uses the cores.
        return fast.encode_batch_list(texts, add_special_tokens=False, parallel=False)

    return ids


def _probes() -> Iterator[str]:
    """Every assigned character in runs of its neighbours, alone between letters, and texts of every odd form."""
    yield from _ODD
    planes = (range(plane * _PLANE, (plane + 1) * _PLANE, _BLOCK) for plane in _ASSIGNED_PLANES)
    for start in chain.from_iterable(planes):
        characters = [
            character
            for code in range(start, start + _BLOCK)
            if unicodedata.category(character := chr(code)) not in {"Cn", "Cs", "Co"}
        ]
        if characters and start < 0x3400:
            yield "".join(characters)
            yield "x".join(characters)
            yield " ".join(characters)
        elif characters:
            yield "".join(characters[::16])
