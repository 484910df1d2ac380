"""Calls of the official `openai` client: endpoints in turn, retries, pace and budget."""
