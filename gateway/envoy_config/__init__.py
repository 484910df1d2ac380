"""`routerdc envoy-config`: Envoy's whole configuration, rendered from endpoints.yaml.

    command → watch → bootstrap
    bootstrap → http: listener, filters, routes, local answers, overload
    http → upstreams: clusters of LLMs and of the gateway
    upstreams, http → lua; parts: headers, failures, without_gateway, watched, options, dump

All of them build Envoy's own protobufs; dump turns these into text. In Lua: coding, read_model, resting, refuse and
fail_open run before a request's route is final, adapt and rest for every attempt, cors for web pages. Knows files and
protobufs, nothing of a running gateway or Envoy.
"""
