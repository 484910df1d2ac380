"""Load tests and benchmarks: locust users, load at a fixed rate, comparisons, stand-ins for parts of the service."""
