"""Hugging Face's tokenizers alone, on the bundle's tokenizer: the yardstick of what a host pays for a query.

python -m loadtest.inprocess.huggingface_tokenizers TOKENIZER.json MAX_TOKENS
"""

import os
from pathlib import Path
from typing import Any

import click

from loadtest.inprocess.measured import serve


@click.command()
@click.argument("tokenizer", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("max_tokens", type=int)
def main(tokenizer: Path, max_tokens: int) -> None:
    """Tokenizes batches; the answer to a query is its number of tokens."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # threads would count as CPU time without saving any
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(str(tokenizer))
    loaded.no_padding()
    loaded.enable_truncation(max_tokens)

    def answer(queries: list[str]) -> list[Any]:
        return [len(encoding.ids) for encoding in loaded.encode_batch_fast(queries)]

    serve(answer)


if __name__ == "__main__":
    main()
