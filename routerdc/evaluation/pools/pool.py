"""One pool of the page: where its rows are, which LLMs count, and which grades are hidden from training."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from routerdc.data.dataset import Dataset, only, pool
from routerdc.data.loading import load_all
from routerdc_contract.frozen import Frozen
from routerdc_contract.yaml_model import load_yaml_model

POOLS_FILE = Path(__file__).with_name("pools.yaml")


class Hidden(Frozen):
    """Grades of `llm` that training does not see: all but those on the `share` of rows that are `keep`.

    How hard a row is, is the mean of all LLMs' grades on it. So what is missing is missing by difficulty, as where an
    LLM was only asked what others failed at.
    """

    llm: str
    keep: Literal["easiest", "hardest"]
    share: float = Field(gt=0, lt=1)


class Pool(Frozen):
    """See `pools.yaml`. `llms`: only these; `without`: not these."""

    name: str
    train: tuple[str, ...] = Field(min_length=1)
    tests: tuple[str, ...] = ()
    llms: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    hidden: tuple[Hidden, ...] = ()
    looks: int = Field(ge=0)

    def load(self, folder: Path) -> tuple[list[Dataset], list[Dataset]]:
        """Training and test sets below `folder`, with the pool's LLMs alone.

        Raises:
            DataError: a file is missing or bad, or has none of the LLMs.
        """
        train = load_all([folder / path for path in self.train])
        llms = self.llms or [llm for llm in pool(train) if llm not in self.without]
        test = only(load_all([folder / path for path in self.tests]), llms) if self.tests else []
        return _hide(only(train, llms), self.hidden), test


class Pools(Frozen):
    """All pools of the page, in its order."""

    pools: tuple[Pool, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [one.name for one in self.pools]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"pools with one name: {', '.join(twice)}")
        return self


def shipped_pools() -> tuple[Pool, ...]:
    """The pools of `pools.yaml`."""
    return load_yaml_model(Pools, POOLS_FILE).pools


def _hide(datasets: Sequence[Dataset], hidden: Sequence[Hidden]) -> list[Dataset]:
    return [_hidden(dataset, hidden) for dataset in datasets] if hidden else list(datasets)


def _hidden(dataset: Dataset, hidden: Sequence[Hidden]) -> Dataset:
    ease = np.nanmean(dataset.quality(), axis=1)
    order = np.argsort(ease, kind="stable")  # the hardest first
    scores = dataset.scores.copy()
    for one in hidden:
        kept = round(one.share * len(order))
        gone = order[: len(order) - kept] if one.keep == "easiest" else order[kept:]
        scores[gone, dataset.llms.index(one.llm)] = np.nan
    return replace(dataset, scores=scores)
