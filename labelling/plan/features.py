"""What the router's own encoder sees of prompts: the plan covers what the router can tell apart."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Features = Callable[[Sequence[str]], Floats]


def router_features(recipe_name: str = "default") -> Features:
    """Features, (n, width) float32 of unit length, of the encoder that `recipe_name` trains on; kept on disk.

    The encoder is opened for queries that are not there yet: that takes seconds.
    """
    from routerdc.encoder_source import pin_encoder
    from routerdc.training.encoder import open_encoder
    from routerdc.training.preparation.features import CACHE_FOLDER, FeatureCache, cache_file
    from routerdc.training.recipe import load_recipe

    recipe = load_recipe(recipe_name).encoder
    _, weights_sha256 = pin_encoder(recipe.name, recipe.sources)
    file = cache_file(CACHE_FOLDER, recipe, weights_sha256)
    known = FeatureCache(lambda queries: open_encoder(recipe, cache=None).features(queries), file)

    def features(queries: Sequence[str]) -> Floats:
        found = known(queries)
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)

    return features
