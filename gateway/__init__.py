"""The gateway: a gRPC server that turns a query into the endpoint of the LLM that should answer it.

Rooms, each of which knows only those below it (checked by import-linter, see pyproject.toml):

    app                   builds the service, listens, reloads, drains
    envoy_config          renders Envoy's configuration
    http_api              the door for HTTP: /v1/route and the decision protocols
    openai, grpc_api      the doors for Envoy and for gRPC callers
    routing, scoring      the use case; cache, coalescer and Triton
    telemetry             metrics, traces, logs
    pool, limits          LLMs and endpoints; refusals under load
    domain                query, scores, decision
    config                what operators write
    policy                pure rules: who may answer, in which order
    errors                everything that can go wrong
"""
