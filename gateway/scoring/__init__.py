"""From a query to its scores: cache, coalescer, shadow, and the Tritons behind them."""
