"""Embeddings by sentence-transformers as its documentation shows it. Answers: how long each embedding is.

python -m loadtest.inprocess.sentence_transformers_batches ENCODER
"""

import sys

from loadtest.inprocess.measured import serve


def main(encoder: str) -> None:
    """Embeds with the model in the folder `encoder`."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(encoder, device="cpu")
    serve(lambda queries: [len(row) for row in model.encode(queries, batch_size=len(queries), show_progress_bar=False)])


if __name__ == "__main__":
    main(sys.argv[1])
