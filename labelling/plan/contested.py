"""Which cells may still change a choice, by the grades so far: what is asked after a first part in whole rows.

Grades are smoothed over similar prompts as the recipe `default` does it, and drawn from what is still possible after
them (Thompson sampling): an LLM that is the best of a prompt in none of the draws is not asked there, and prompts on
which the draws agree are asked less often. Rows stay small groups of LLMs on the same prompt, so that they are compared
on it. What it is worth beside whole rows: docs/benchmarks/labelling.md.
"""

import numpy as np
import numpy.typing as npt

from labelling.plan.sparse import Cells
from routerdc.training.preparation.effects import additive_effects
from routerdc.training.preparation.place import Place
from routerdc.training.preparation.smoothing import Basis, Strength, expected_quality

Floats = npt.NDArray[np.float32]

DRAWS = 24
FEWEST, MOST = 2, 3  # LLMs of a prompt
BELIEF = Strength(10.0, 30.0)
EVENNESS = 0.5  # 0: every prompt is as likely to be asked; 1: in proportion to what a wrong choice is expected to cost
LEVEL = 30.0  # scale of the constant feature: next to nothing stands against an LLM's level


def contested(features: Floats, grades: Floats, asked: npt.NDArray[np.bool_], count: int, seed: int = 0) -> Cells:
    """At most `count` cells of prompts without a grade, best first; a part that was interrupted goes on as it was.

    Args:
        features: (n, width) of the prompts, unit length.
        grades: (n, n_llms) in [0, 1], NaN where unknown; every LLM has one.
        asked: (n, n_llms) cells that have been asked already.
        count: cells to ask beyond those.
    """
    generator = np.random.default_rng(seed)
    rows = np.flatnonzero(np.isnan(grades).all(axis=1))
    drawn = _possible(features, grades, seed, generator)
    expected = drawn.mean(axis=0)
    wins = np.eye(grades.shape[1], dtype=np.float32)[drawn.argmax(axis=2)].mean(axis=0)
    ranked = np.lexsort((-expected, -wins), axis=1)
    asks = np.clip((wins > 0).sum(axis=1), FEWEST, MOST)
    cost = (drawn.max(axis=2) - drawn[:, np.arange(len(rows)), expected.argmax(axis=1)]).mean(axis=0)
    order = np.argsort(-EVENNESS * np.log(np.maximum(cost, 1e-6)) - generator.gumbel(size=len(rows)))
    cells = ((int(rows[at]), int(llm)) for at in order for llm in ranked[at, : asks[at]])
    return [cell for cell in cells if not asked[cell]][:count]


def _possible(features: Floats, grades: Floats, seed: int, generator: np.random.Generator) -> Floats:
    """Smoothed qualities of the prompts without a grade, as they may be after the others': (DRAWS, rows, n_llms)."""
    place = Place.of(features, seed)
    basis = Basis.of(place(features), place.anchors)
    graded = ~np.isnan(grades)
    learn = graded.any(axis=1)
    expected = expected_quality(basis, grades, learn, BELIEF)
    noise = float(np.nanvar(grades[learn] - additive_effects(grades[learn]).expected))
    scaled = np.column_stack([basis.features * basis.scale(BELIEF), np.full(len(features), LEVEL, np.float32)])
    compared = 1 - 1 / np.maximum(graded.sum(axis=1), 2)  # what a grade tells beside the others of its row
    drawn = np.empty((DRAWS, *expected.shape), dtype=np.float32)
    for llm, known in enumerate(graded.T):
        among = scaled[known]
        precision = (among.T * compared[known]) @ among + np.eye(scaled.shape[1])
        root = np.linalg.inv(np.linalg.cholesky(precision)).T.astype(np.float32)
        weights = root @ generator.standard_normal((len(root), DRAWS)).astype(np.float32)
        drawn[:, :, llm] = expected[:, llm] + noise**0.5 * (scaled[~learn] @ weights).T
    return drawn
