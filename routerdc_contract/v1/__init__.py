"""Version 1 of the wire contract: router.proto and the code generated from it."""
