"""Prompts: what is asked, and the files that hold it."""
