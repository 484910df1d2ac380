"""Envoy's listener: its filters, routes, local answers, limits and access log."""
