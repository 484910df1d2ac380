"""The base of every model that is read from a file: what it does not know is refused, and it cannot be changed."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A model without unknown fields, NaN or infinity, that stays as it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
