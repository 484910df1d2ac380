"""What the router's own encoder sees of prompts: the plan covers what the router can tell apart."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from cli.importing import importing
from cli.progress import working

Floats = npt.NDArray[np.float32]
Features = Callable[[Sequence[str]], Floats]


def router_features(recipe_name: str = "default") -> Features:
    """Features, (n, width) float32 of unit length, of the encoder that `recipe_name` trains on; kept on disk.

    Torch and the encoder are read for queries that are not there yet: that takes seconds.
    """
    from routerdc.training.encoder import open_encoder
    from routerdc.training.recipe import load_recipe

    encoder = open_encoder(load_recipe(recipe_name).encoder)

    def features(queries: Sequence[str]) -> Floats:
        if encoder.features.missing(queries):
            with importing(), working("starting torch"):
                encoder.read()
        found = encoder.features(queries)
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)

    return features
