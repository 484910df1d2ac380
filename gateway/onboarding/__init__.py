"""The first steps of an operator: `routerdc init` writes endpoints.yaml, `routerdc check` says what is wrong with it.

Both ask the endpoints themselves, as an OpenAI client does. Does not know: the running gateway, Triton, policy.
"""
