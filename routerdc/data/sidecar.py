"""`DATA.yaml` beside `DATA.json`: name, metric and prices of a data set, which its rows do not say."""

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from routerdc.data.dataset import Metric
from routerdc.data.formats.files import sidecar_of
from routerdc.data.formats.rows import DataError
from routerdc_contract.yaml_model import YamlError, load_yaml_model

_PROBABILITY_SETS = {"mmlu", "cmmlu", "arcc", "arcchallenge", "ceval", "prealgebra", "mathprealgebra"}


class Sidecar(BaseModel):
    """What such a file says."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    name: str | None = None
    metric: Metric | None = None
    prices: dict[str, float] = Field(default_factory=dict, description="US dollars per million tokens, by LLM")
    tokens_per_query: float = Field(default=500, gt=0, description="prompt and answer together, for `prices`")
    grading: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="how far each grader agrees with people (`routerdc grade` writes it)"
    )


def known_metric(name: str) -> Metric:
    """The metric of the paper's data sets by name; pass rate for all others."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return Metric.PROBABILITY if plain in _PROBABILITY_SETS else Metric.PASS_RATE


def read_sidecar(path: Path) -> Sidecar:
    """The sidecar of the data file `path`; an empty one where there is none.

    Raises:
        DataError: it cannot be read, or says what a sidecar cannot say.
    """
    beside = sidecar_of(path)
    if beside is None:
        return Sidecar()
    try:
        return load_yaml_model(Sidecar, beside)
    except YamlError as error:
        raise DataError(str(error)) from None
