"""The whole service on one machine: a real Triton, the gateway, and stand-ins for the LLMs' endpoints."""
