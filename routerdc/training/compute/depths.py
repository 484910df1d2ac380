"""Features of many ways of encoding from few forward passes, for measurements that compare depths and limits.

A shallow encoder is the first layers of a deep one, so one pass of the deepest has the features of every depth; and a
query shorter than two limits is the same sequence of tokens under both, wherever it would have been cut. So no sequence
is encoded twice.
"""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from torch import Tensor, nn

from routerdc.batches import Batch
from routerdc.tokenization import Side, token_ids
from routerdc.training.encoder import Encoder, open_encoder
from routerdc.training.preparation.encoding import pooled
from routerdc.training.preparation.features import FeatureStore, Floats, cache_file
from routerdc.training.preparation.recipe_parts import EncoderRecipe

Way = tuple[int, Side]
"""Token limit, and the side on which longer queries are cut."""


def encode_once(
    queries: Sequence[str], recipe: EncoderRecipe, depths: Sequence[int], ways: Sequence[Way], device: str, cache: Path
) -> None:
    """Fills `cache` with features of `queries` at all of `depths` (layers) and `ways`, as far as they are missing."""
    depths = sorted(depths)
    encoder = open_encoder(recipe.model_copy(update={"layers": depths[-1]}), device, cache)
    stores = {(depth, way): _store(recipe, depth, way, encoder, cache) for depth in depths for way in ways}
    missing = {way: _missing([stores[depth, way] for depth in depths], queries) for way in ways}
    ids = {way: [tuple(row) for row in token_ids(encoder.tokenizer, missing[way], *way)] for way in ways}
    row_of = {sequence: row for row, sequence in enumerate(dict.fromkeys(chain(*ids.values())))}
    if not row_of:
        return
    features = _all_depths(encoder, list(row_of), depths, device)
    for (depth, way), store in stores.items():
        store.add(missing[way], features[depths.index(depth)][[row_of[sequence] for sequence in ids[way]]])


def _store(recipe: EncoderRecipe, depth: int, way: Way, encoder: Encoder, cache: Path) -> FeatureStore:
    changed = recipe.model_copy(update={"layers": depth, "max_tokens": way[0], "truncation_side": way[1]})
    return FeatureStore(cache_file(cache, changed, encoder.spec.weights_sha256))


def _missing(stores: Sequence[FeatureStore], queries: Sequence[str]) -> list[str]:
    """Those of `queries`, each once, that any of `stores` lacks."""
    return list(dict.fromkeys(chain.from_iterable(store.missing(queries) for store in stores)))


def _all_depths(encoder: Encoder, ids: Sequence[Sequence[int]], depths: Sequence[int], device: str) -> Floats:
    """Features after each of `depths` layers, (n_depths, n, width)."""
    model = encoder.model.to(device).eval()
    norm = getattr(model, "final_norm", nn.Identity())  # what ModernBERT puts behind its last layer

    def layers_of(batch: Batch) -> list[Tensor]:
        output = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, output_hidden_states=True)
        return [*(norm(output.hidden_states[depth]) for depth in depths[:-1]), output.last_hidden_state]

    return pooled(layers_of, ids, encoder.spec.pooling, device)
