"""What to ask: which prompts, and which LLMs for each of them, so that a dollar teaches the router most."""
