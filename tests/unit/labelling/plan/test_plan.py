"""The plan: which prompts, and which cells."""

import numpy as np
import numpy.typing as npt

from labelling.plan.coverage import clusters_of, covering, spread
from labelling.plan.duplicates import distinct
from labelling.plan.sparse import plan
from labelling.prompts.prompt import Prompt

Floats = npt.NDArray[np.float32]


def blobs(sizes: list[int]) -> Floats:
    draw = np.random.default_rng(0)
    centres = np.eye(len(sizes), 16) * 10
    parts = [c + 0.1 * draw.normal(size=(n, 16)) for c, n in zip(centres, sizes, strict=True)]
    return np.asarray(np.concatenate(parts), dtype=np.float32)


def test_few_prompts_still_cover_every_kind() -> None:
    features = blobs([500, 30, 10, 10])
    kept = covering(features, 20)
    assert len(kept) == len(set(kept.tolist())) == 20
    assert set(features[kept].argmax(axis=1).tolist()) == {0, 1, 2, 3}


def test_every_beginning_of_the_order_holds_the_kinds_in_proportion() -> None:
    clusters = np.repeat([0, 1], [300, 100])
    order = spread(clusters)
    assert sorted(order.tolist()) == list(range(400))
    for count in (40, 100, 200):
        assert abs((clusters[order[:count]] == 1).mean() - 0.25) <= 0.05


def test_whole_rows_are_asked_and_rows_that_are_begun_come_first() -> None:
    clusters = clusters_of(blobs([50, 50]))
    asked = np.zeros((100, 4), dtype=bool)
    asked[7, :3] = True
    cells = plan(clusters, asked, 41)
    assert cells[0] == (7, 3)
    rows = {row for row, _ in cells[1:]}
    assert len(cells) == 41
    assert len(rows) == 10
    assert abs(sum(row < 50 for row in rows) - 5) <= 1


def test_nothing_is_planned_twice_and_nothing_beyond_all_cells() -> None:
    asked = np.zeros((10, 2), dtype=bool)
    cells = plan(np.zeros(10, dtype=np.int64), asked, 1000)
    assert len(cells) == len(set(cells)) == 20


def test_prompts_that_differ_in_case_and_space_alone_are_asked_once() -> None:
    def chat(text: str, system: str = "Be brief.") -> Prompt:
        return Prompt(({"role": "system", "content": system}, {"role": "user", "content": text}))

    kept = distinct([chat("What is  love?"), chat("what is love?\n"), chat("What is love?", "Be long."), chat("Why?")])
    assert [prompt.question for prompt in kept] == ["What is  love?", "What is love?", "Why?"]
