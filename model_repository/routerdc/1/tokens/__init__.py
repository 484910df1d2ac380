"""From texts to what an engine takes: token ids, in slices of similar length."""
