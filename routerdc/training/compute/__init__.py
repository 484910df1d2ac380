"""Which depth and how many tokens? Quality against compute, measured."""
