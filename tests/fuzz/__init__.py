"""Every entrance with input that nobody sends on purpose: no crash, no hang, no INTERNAL for a caller's fault."""
