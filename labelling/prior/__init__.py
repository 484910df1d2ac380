"""A router from what one believes: a table of domain by LLM, and a recogniser of domains."""
