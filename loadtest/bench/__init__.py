"""`python -m loadtest.bench`: engine, gateway and efficiency against their goals."""
