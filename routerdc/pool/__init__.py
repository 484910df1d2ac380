"""LLMs join and leave a trained pool without training anew."""
