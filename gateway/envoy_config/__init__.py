"""`routerdc envoy-config`: Envoy's whole configuration, rendered from endpoints.yaml.

    command → bootstrap → listener → routes, tracing; clusters, gateway_cluster, tracing → upstream; all → dump

Messages are built with Envoy's own protobufs. Knows files and protobufs, nothing of a running gateway or Envoy.
"""
