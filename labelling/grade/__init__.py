"""How right an answer is: by a reference, a command of one's own, unit tests, or an LLM as judge."""
