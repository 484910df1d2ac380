"""`routerdc envoy-config`: Envoy's whole configuration, rendered from endpoints.yaml.

    command → watch → bootstrap → listener, routes, clusters, gateway_cluster, overload, metrics, watched

    listener → http_filters, headers, access_log, local_errors, tracing
    routes → local_answers, without_gateway, failures
    clusters → lua_filters, headers, failures, upstream

All of them build Envoy's own protobufs; dump turns these into text. In Lua: read_model, resting and fail_open run
before a request's route is final, adapt and rest for every attempt, cors for web pages. Knows files and protobufs,
nothing of a running gateway or Envoy.
"""
