"""Virtual models: names that callers may ask for and that stand for a policy instead of an LLM.

virtual_models:
  auto: {}                                    # every LLM of the pool, the gateway's cost weight
  cheap: {cost_weight: 0.05}
  small: {allowed: [mistral-7b, llama-3-8b], default: [llama-3-8b]}
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class VirtualModel(BaseModel):
    """One policy."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    allowed: tuple[str, ...] = Field(default=(), description="LLMs that may answer; empty: every LLM of the pool")
    cost_weight: Annotated[float, Field(ge=0)] | None = Field(default=None, description="unset: the gateway's")
    default: tuple[str, ...] = Field(default=(), description="ranked, when nothing was scored; empty: the pool's")


AUTO = {"auto": VirtualModel()}
"""What there is where the file names none."""
