"""Text to token ids, exactly as serving does it: special tokens counted in the limit, cut on one side.

Does not know the model. Needs no torch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tokenizers import Tokenizer

Side = Literal["left", "right", "middle"]
"""Where a text that is over the limit is cut off. "middle" keeps head and tail."""


def load_tokenizer(folder: Path) -> Tokenizer:
    """The fast tokenizer of a pretrained encoder's folder; a slow one (no tokenizer.json) is converted."""
    if (folder / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    from transformers import AutoTokenizer

    converted: Tokenizer = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    return converted


def token_ids(tokenizer: Tokenizer, queries: Sequence[str], max_tokens: int, side: Side) -> list[list[int]]:
    """Token ids of every query, with special tokens, at most `max_tokens` long, the rest cut off on `side`."""
    limited = Tokenizer.from_str(tokenizer.to_str())
    limited.no_padding()
    if side == "middle":
        limited.no_truncation()
        return [_head_and_tail(encoding.ids, max_tokens) for encoding in limited.encode_batch(list(queries))]
    limited.enable_truncation(max_tokens, direction=side)
    return [encoding.ids for encoding in limited.encode_batch(list(queries))]


def _head_and_tail(ids: list[int], max_tokens: int) -> list[int]:
    """The first and the last half of the limit; special tokens stand at the ends, so they stay."""
    if len(ids) <= max_tokens:
        return ids
    tail = max_tokens // 2
    return ids[: max_tokens - tail] + ids[-tail:]
