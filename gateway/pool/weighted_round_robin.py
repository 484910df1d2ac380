"""Whose turn it is: smooth weighted round robin, as in nginx, with shares that may change between turns.

Each turn adds an endpoint's weight to its credit; the highest credit is picked and reduced by the sum of the weights.
So turns are in proportion to the weights and spread evenly.
"""

from collections.abc import Sequence


class WeightedRoundRobin:
    """Endless turns of those who have `weights`."""

    def __init__(self, weights: Sequence[int]) -> None:
        self._weights = weights
        self._owed = [0.0] * len(weights)

    def next(self, shares: Sequence[float] | None = None) -> int:
        """Index of whose turn it is.

        Args:
            shares: 0 to 1, the part of its weight that each has at present; None: all of it. An endpoint with 0 gets
                no turn, unless all have 0.
        """
        weights: Sequence[float] = self._weights
        if shares is not None and any(shares):
            weights = [weight * share for weight, share in zip(self._weights, shares, strict=True)]
        # Who may not be asked is owed nothing, neither now nor when it comes back.
        self._owed = [owed + weight if weight else 0.0 for owed, weight in zip(self._owed, weights, strict=True)]
        chosen = max((i for i, weight in enumerate(weights) if weight), key=self._owed.__getitem__)
        self._owed[chosen] -= sum(weights)
        return chosen
