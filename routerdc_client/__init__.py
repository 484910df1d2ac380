"""The Python client of the gateway, for applications: asks which LLM should answer, and where it is served."""
