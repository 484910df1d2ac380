"""Whether the served tokenizer gives exactly the ids of Hugging Face's tokenizers on whole texts, cut by definition.

The served one may be a faster library and reads only as much of a text as can count, so both are shortcuts that have to
be proven. Texts are the sample queries, the user's scored queries, and generated ones of every Unicode block, length
and way to be odd. Needs neither torch nor the bundle's encoder.
"""

import random
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

from tokenizers import Tokenizer

from export.domain.errors import ParityError
from export.parity.triton_model_runner import served_tokens
from routerdc_contract.bundle import TOKENIZER_FILE, Manifest

GENERATED = 1500
"""texts; every second one mixes blocks, every third is longer than any limit"""
_BLOCK = 128
_LONG_WORDS = 250
_JOINTS = (" ", " ", " ", "", "\n", "\t", "  ", "\u00a0", "-", "'", "[SEP]")


@dataclass(frozen=True)
class TokenParity:
    """Texts that were tokenized both ways, and how many of them got other ids."""

    texts: int
    differences: int


def compare_tokens(version: Path, bundle: Path, texts: Sequence[str]) -> TokenParity:
    """Tokenizes `texts` by the filled Triton model in `version`, and by definition with the bundle's own tokenizer."""
    served = [row.tolist() for row in served_tokens(version, version, texts)]
    wanted = defined_ids(bundle, texts)
    return TokenParity(len(texts), sum(one != other for one, other in zip(served, wanted, strict=True)))


def defined_ids(bundle: Path, texts: Sequence[str]) -> list[list[int]]:
    """Ids of every text as the manifest defines them: all of it tokenized, special tokens added, then cut."""
    limits = Manifest.read(bundle).tokenizer
    tokenizer = Tokenizer.from_file(str(bundle / TOKENIZER_FILE))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if limits.truncation_side != "middle":
        tokenizer.enable_truncation(limits.max_tokens, direction=limits.truncation_side)
    found = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    return [_head_and_tail(ids, limits.max_tokens) for ids in found]


def check_tokens(parity: TokenParity, artefact: str) -> None:
    """The gate.

    Raises:
        ParityError: some text has other ids.
    """
    if parity.differences:
        raise ParityError(
            f"{artefact}: {parity.differences} of {parity.texts} texts get other token ids than "
            "by Hugging Face's tokenizers"
        )


@cache
def generated_texts(count: int = GENERATED, seed: int = 0) -> tuple[str, ...]:
    """Texts of words whose characters come from one Unicode block or from several, with every kind of joint."""
    chance = random.Random(seed)  # noqa: S311 - texts, not secrets
    blocks = _blocks()
    texts = []
    for index in range(count):
        block = blocks[index % len(blocks)]
        words = chance.randint(1, _LONG_WORDS if index % 3 == 0 else 30)
        mixed = index % 2 == 0
        parts = [_word(chance, chance.choice(blocks) if mixed else block) for _ in range(words)]
        texts.append("".join(part + chance.choice(_JOINTS) for part in parts))
    return tuple(texts)


def _word(chance: random.Random, block: str) -> str:
    return "".join(chance.choices(block, k=chance.randint(1, 12)))


@cache
def _blocks() -> tuple[str, ...]:
    """Assigned characters, block by block; surrogates and private ones left out."""
    starts = chain(range(0, 0x40000, _BLOCK), range(0xE0000, 0xF0000, _BLOCK))  # the planes with characters
    found = ("".join(filter(_is_assigned, map(chr, range(start, start + _BLOCK)))) for start in starts)
    return tuple(block for block in found if block)


def _is_assigned(character: str) -> bool:
    return unicodedata.category(character) not in {"Cn", "Cs", "Co"}


def _head_and_tail(ids: list[int], limit: int) -> list[int]:
    if len(ids) <= limit:
        return ids
    tail = limit // 2
    return ids[: limit - tail] + ids[-tail:]
