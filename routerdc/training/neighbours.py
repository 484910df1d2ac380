"""Some training queries with their grades, to be shown beside a decision: what is like this query, and who answered it?

They are compared in the space in which the router decides, so they are embedded by the bundle itself. Texts of the
training data go into the bundle with them, which is why it is never done unasked.
"""

import io
from collections.abc import Sequence

import numpy as np

from routerdc.data.dataset import Dataset, pool
from routerdc.loaded_bundle import Router

SHOWN_CHARACTERS = 200
"""Of a query's text; its embedding is of the whole text."""


def neighbours_of(router: Router, datasets: Sequence[Dataset], count: int, seed: int) -> bytes:
    """The file `neighbours.npz` (see `routerdc_contract.bundle`) with `count` of the graded rows, drawn by `seed`.

    All of them where there are fewer.
    """
    llms = pool(datasets)
    grades = np.concatenate([dataset.aligned(llms).quality() for dataset in datasets])
    queries = [query for dataset in datasets for query in dataset.queries]
    graded = np.flatnonzero(~np.isnan(grades).all(axis=1))
    rows = np.sort(np.random.default_rng(seed).permutation(graded)[:count])
    file = io.BytesIO()
    np.savez_compressed(
        file,
        embeddings=router.embed([queries[row] for row in rows]).astype(np.float16),
        grades=grades[rows].astype(np.float16),
        queries=np.array([queries[row][:SHOWN_CHARACTERS] for row in rows]),
        llms=np.array(llms),
    )
    return file.getvalue()
