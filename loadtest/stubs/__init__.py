"""Stand-ins that cost nothing, so that the rest of a path can be measured alone."""
