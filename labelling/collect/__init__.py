"""Asking the whole plan, and forecasting what it costs."""
