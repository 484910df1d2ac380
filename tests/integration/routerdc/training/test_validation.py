from pathlib import Path

from routerdc.training.encoder import open_encoder
from routerdc.training.validation import cross_validated, leave_kinds_out, leave_one_out
from tests.support.data.tiny import tiny_datasets, tiny_recipe


def test_queries_like_those_learned_from_are_routed_well_and_unseen_data_sets_are_not(
    encoder_folder: Path,
) -> None:
    datasets, recipe = tiny_datasets(40), tiny_recipe(encoder_folder, data={"clusters": "data_set"})
    encoder = open_encoder(recipe.encoder, cache=None)
    seen = cross_validated(datasets, recipe, seed=0, folds=2, encoder=encoder)
    kinds = leave_kinds_out(datasets, recipe, seed=0, kinds=2, encoder=encoder)
    unseen = leave_one_out(datasets, recipe, seed=0, encoder=encoder)
    assert set(seen.by_data_set) == set(kinds.by_data_set) == set(unseen.by_data_set) == {"sums", "code"}
    assert seen.average > 0.75  # the best LLM of each data set: 0.9
    assert unseen.average < 0.5  # nobody could know: the best LLM of the other data set answers one in four
