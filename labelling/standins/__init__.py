"""Stand-ins for LLMs and a judge, with known skills: to try everything without a key or a cent, and to test it."""
