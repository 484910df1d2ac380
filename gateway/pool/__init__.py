"""The LLMs of the pool and their endpoints: which of them are healthy, and whose turn it is."""
