"""The use case: from a checked query to a decision."""
