"""Envoy's clusters: the LLMs' endpoints, the gateway, and what else Envoy calls."""
