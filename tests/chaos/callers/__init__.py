"""Callers who take more than their share: floods, slow and endless senders, large bodies."""
