"""Callers that wait for an answer before they ask again."""
