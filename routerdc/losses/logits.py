"""Between logits and probabilities of being right, where both are near a half. Needs no torch."""

from typing import Literal

LOGIT_PER_PROBABILITY = 4.0
Of = Literal["quality", "logit"]
"""What the weights of the weighted sample–LLM loss are a softmax of."""
