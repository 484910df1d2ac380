"""The table of a prior: what one believes of each LLM in each domain.

    about: July 2026, from the publishers' own cards      # goes into the bundle's card
    sources: [https://…]
    llms:
      strong: {price: 10.0, quality: {default: 0.80, coding: 0.85}}
      cheap:  {price: 0.3,  quality: {default: 0.65, word-problems: 0.8}}

`quality` is the expected share of right answers, from 0 to 1; `default` stands for every domain that is not named.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from labelling.errors import PriorError
from labelling.prior.domains import DOMAINS
from routerdc_contract.yaml_model import YamlError, load_yaml_model

Quality = Annotated[float, Field(ge=0, le=1)]
SUREST = 0.99
"""No belief is surer than this: a score is the logit of a quality."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Belief(_Frozen):
    """What is believed of one LLM. `price`: US dollars per million tokens."""

    price: float | None = Field(default=None, ge=0)
    quality: dict[str, Quality]

    @model_validator(mode="after")
    def _every_domain_is_known(self) -> Self:
        if unknown := [name for name in self.quality if name not in {"default", *DOMAINS}]:
            near = get_close_matches(unknown[0], DOMAINS, n=1)
            cure = f"did you mean {near[0]}?" if near else f"there are default, {', '.join(DOMAINS)}"
            raise ValueError(f"quality: no domain {', '.join(unknown)}; {cure}")
        if missing := [name for name in DOMAINS if name not in self.quality and "default" not in self.quality]:
            raise ValueError(f"quality: nothing for {', '.join(missing)}: give it, or default")
        return self


class PriorTable(_Frozen):
    """The whole file."""

    about: str = Field(min_length=1)
    sources: tuple[str, ...] = ()
    llms: dict[str, Belief] = Field(min_length=2)

    def qualities(self) -> npt.NDArray[np.float64]:
        """(n_domains, n_llms), within what a logit can say."""
        rows = [
            [self.llms[llm].quality.get(d, self.llms[llm].quality.get("default", 0.5)) for llm in self.llms]
            for d in DOMAINS
        ]
        return np.clip(np.array(rows, dtype=np.float64), 1 - SUREST, SUREST)


def read_table(path: Path) -> PriorTable:
    """The table in a file.

    Raises:
        PriorError: it cannot be used; the message names file and field.
    """
    try:
        return load_yaml_model(PriorTable, path)
    except YamlError as error:
        raise PriorError(str(error)) from None
