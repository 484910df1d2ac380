"""A bundle as the subject of an evaluation; its scores are kept on disk by the bundle's id."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from contract.bundle import Manifest
from routerdc.evaluation.evaluate import Subject
from routerdc.evaluation.selection import Floats
from routerdc.router import Router
from routerdc.training.features import CACHE_FOLDER, FeatureCache

_BLOCK = 512


def subject(bundle: Path, device: str = "cpu") -> Subject:
    """The router in the folder `bundle`; its weights are loaded at the first query that is not in the cache.

    Raises:
        contract.bundle.BundleError: it cannot be used; the message says why.
    """
    manifest = Manifest.read(bundle)
    router = cache(lambda: Router.load(bundle, device))
    score = FeatureCache(
        lambda queries: _in_blocks(router(), queries), CACHE_FOLDER / f"scores-{manifest.bundle_id}.npz"
    )
    return Subject(manifest.name, manifest.bundle_id, manifest.llms, score)


def _in_blocks(router: Router, queries: Sequence[str]) -> Floats:
    """Scores with a progress bar; sorted by length, so that no block is padded much."""
    order = sorted(range(len(queries)), key=lambda row: len(queries[row]))
    scores = np.empty((len(queries), len(router.llms)), dtype=np.float32)
    with tqdm(total=len(queries), desc="scoring", unit=" queries", disable=None, leave=False) as bar:
        for start in range(0, len(order), _BLOCK):
            rows = order[start : start + _BLOCK]
            scores[rows] = router.score([queries[row] for row in rows])
            bar.update(len(rows))
    return scores
