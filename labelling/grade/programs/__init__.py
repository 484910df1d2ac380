"""Graders that run programs: unit tests of code in a sandbox, a command or function of one's own."""
