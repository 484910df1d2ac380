"""The gateway: a gRPC server that turns a query into the endpoint of the LLM that should answer it.

Layers, each of which knows only what is to its right:

    servicer, stream, health → router (the use case) → policy, pool, admission, scorer (a Protocol)

    score_cache → coalescer → triton_scorer     scorers, stacked; only the last knows KServe
    server                                      builds everything and is the only one that knows everyone
"""
