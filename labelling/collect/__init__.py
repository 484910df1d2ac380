"""Asking the pool: budget, rate, retries and progress around calls of the official `openai` client."""
