"""From graded answers to training rows: features, clusters, targets."""
