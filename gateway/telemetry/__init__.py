"""What operators see: metrics, traces, logs, and the log of decisions."""
