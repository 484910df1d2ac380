"""Where a query lies among the training queries: its principal components, of unit length, and anchors among them.

The cosine with the nearest anchor says how familiar a query is; cosines with all anchors are what quality is smoothed
over (`routerdc.training.preparation.smoothing`). Does not know scores.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

COMPONENTS = 64
ANCHORS = 256
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Place:
    """`center`: (width,); `axes`: (width, dim); `anchors`: (n_anchors, dim), unit length."""

    center: Floats
    axes: Floats
    anchors: Floats

    @classmethod
    def of(cls, features: Floats, seed: int) -> "Place":
        """Axes and anchors of the training queries; the anchors are k-means centroids. `features`: (n, width)."""
        from sklearn.cluster import MiniBatchKMeans

        center = features.mean(axis=0)
        centred = (features - center).astype(np.float64)
        _, axes = np.linalg.eigh(centred.T @ centred)
        axes = axes[:, -COMPONENTS:].astype(np.float32)
        found = unit((features - center) @ axes)
        if len(found) > ANCHORS:
            means = MiniBatchKMeans(ANCHORS, n_init=1, max_iter=30, random_state=seed).fit(found).cluster_centers_
            found = unit(means.astype(np.float32))
        return cls(center, axes, found)

    def __call__(self, features: Floats) -> Floats:
        """Coordinates, (n, dim), unit length, of `features` (n, width)."""
        return unit((features - self.center) @ self.axes)

    def nearness(self, features: Floats) -> Floats:
        """(n,): cosine with the nearest anchor."""
        return np.asarray((self(features) @ self.anchors.T).max(axis=1))


def unit(rows: Floats) -> Floats:
    """Rows scaled to length 1; a row of zeros stays as it is."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), dtype=np.float32)
