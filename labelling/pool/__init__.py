"""The pool: the LLMs of endpoints.yaml, as `routerdc collect` asks them."""
