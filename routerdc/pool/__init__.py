"""LLMs join and leave a trained pool without another training."""
