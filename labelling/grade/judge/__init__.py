"""An LLM as judge: pointwise or pairwise, and how far it agrees with people."""
