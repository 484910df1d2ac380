"""Decisions over HTTP: what the gateway decides as JSON, and the decision protocols of other gateways.

    POST /v1/route       RouteRequest → RouteResponse, as JSON; `?explain=true` tells more
    POST /v1/systemone   System One: a state and named questions → probabilities
    POST /v1/decisions   the same in OpenAI's form
    GET  /openapi.json   the description of all of them

The gRPC service's rules hold: the same fields, checks, API keys, rates and limits. Only decisions pass through here,
never an LLM's answer.
"""
