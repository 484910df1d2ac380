"""Load that comes whether or not the service keeps up: Poisson arrivals at set rates, and latency against rate."""
