"""The embedded Triton: found or fetched, started, stopped."""
