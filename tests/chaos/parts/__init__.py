"""Parts that die, hang or are replaced: Triton, gateways, LLM endpoints, an export's disk."""
