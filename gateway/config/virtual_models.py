"""Virtual models: names that callers may ask for and that stand for a policy instead of an LLM.

    virtual_models:
      auto: {}                                    # every LLM of the pool, the file's `policy`
      cheap: {cost_weight: 0.05}
      small: {allowed: [mistral-7b, llama-3-8b], default: [llama-3-8b]}

Part of endpoints.yaml. Knows names and prices of LLMs, not where they are served.
"""

from collections.abc import Set
from typing import Annotated

from pydantic import Field

from gateway.policy.eligibility import CallerRules
from routerdc_contract.frozen import Frozen


class VirtualModel(Frozen):
    """One policy."""

    allowed: tuple[str, ...] = Field(default=(), description="LLMs that may answer; empty: every LLM of the pool")
    denied: tuple[str, ...] = Field(default=(), description="LLMs that may not answer")
    cost_weight: Annotated[float, Field(ge=0)] | None = Field(default=None, description="unset: the policy's")
    max_price: Annotated[float, Field(ge=0)] | None = Field(default=None, description="unset: no limit")
    min_margin: Annotated[float, Field(ge=0)] | None = Field(default=None, description="unset: the policy's")
    min_confidence: Annotated[float, Field(ge=0, le=1)] | None = Field(default=None, description="unset: the policy's")
    default: tuple[str, ...] = Field(default=(), description="ranked, when nothing was scored; empty: the pool's")

    @property
    def rules(self) -> CallerRules:
        """Which LLMs may answer."""
        return CallerRules(frozenset(self.allowed) or None, frozenset(self.denied), self.max_price)

    def problem(self, llms: Set[str], priced: Set[str]) -> str | None:
        """What cannot work in a pool of `llms`, of which those in `priced` have a price."""
        allowed = (frozenset(self.allowed) or llms) - set(self.denied)
        if outside := sorted(set(self.default) - allowed):
            return f"default: {', '.join(outside)}: not among its allowed LLMs"
        if self.cost_weight and (unpriced := sorted(allowed - priced)):
            return f"cost_weight: needs a price for every LLM that may answer; there is none for {', '.join(unpriced)}"
        return None


AUTO = {"auto": VirtualModel()}
"""What there is where the file names none."""
