"""`python -m loadtest.curves`: latency against rate, up to saturation."""
