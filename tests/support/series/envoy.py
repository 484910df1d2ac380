"""Time series that Envoy exposes, with their labels: those that we ask for. Held against a real one end to end."""

ENVOY_SERIES = {"envoy_cluster_retry_upstream_rq": {"envoy_cluster_name", "envoy_response_code"}}
