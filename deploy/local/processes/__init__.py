"""Child processes: start, readiness, end, and the ports that they listen on."""
