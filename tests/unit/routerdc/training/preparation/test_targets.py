import numpy as np

from routerdc.training.preparation.targets import column_means, shrunk_quality

GENERATOR = np.random.default_rng(0)


def test_pure_noise_shrinks_to_the_mean_of_its_domain() -> None:
    features = GENERATOR.normal(size=(400, 8)).astype(np.float32)
    quality = (GENERATOR.random((400, 3)) < [0.5, 0.6, 0.7]).astype(np.float32)
    domains = np.repeat([0, 1], 200)
    targets = shrunk_quality(features, quality, domains, seed=0)
    for domain in (0, 1):
        rows = domains == domain
        np.testing.assert_allclose(targets[rows], np.tile(quality[rows].mean(axis=0), (200, 1)), atol=1e-5)


def test_a_real_difference_within_a_domain_is_kept() -> None:
    features = GENERATOR.normal(size=(400, 8)).astype(np.float32)
    left = features[:, 0] > 0
    chance = np.where(left[:, None], [0.9, 0.1], [0.1, 0.9])
    quality = (GENERATOR.random((400, 2)) < chance).astype(np.float32)
    targets = shrunk_quality(features, quality, np.zeros(400, dtype=np.int64), seed=0)
    assert ((targets[:, 0] > targets[:, 1]) == left).mean() > 0.9


def test_unknown_values_are_not_zeros_and_unknown_columns_stay_unknown() -> None:
    features = GENERATOR.normal(size=(60, 4)).astype(np.float32)
    quality = np.full((60, 2), np.nan, dtype=np.float32)
    quality[::2, 0] = 1.0
    targets = shrunk_quality(features, quality, np.zeros(60, dtype=np.int64), seed=0)
    np.testing.assert_allclose(targets[:, 0], 1.0)
    assert np.isnan(targets[:, 1]).all()
    np.testing.assert_array_equal(column_means(quality), np.array([1.0, np.nan], dtype=np.float32))


def test_differences_that_change_no_choice_are_kept_where_they_are_what_counts() -> None:
    features = GENERATOR.normal(size=(600, 8)).astype(np.float32)
    left = features[:, 0] > 0
    chance = np.where(left[:, None], [0.9, 0.7], [0.9, 0.1])  # the first LLM is the better one everywhere
    quality = (GENERATOR.random((600, 2)) < chance).astype(np.float32)
    domain = np.zeros(600, dtype=np.int64)
    by_choice = shrunk_quality(features, quality, domain, seed=0)
    np.testing.assert_allclose(by_choice, np.tile(quality.mean(axis=0), (600, 1)), atol=1e-5)
    by_differences = shrunk_quality(features, quality, domain, seed=0, judged_by="differences")
    gap = by_differences[:, 0] - by_differences[:, 1]
    assert gap[~left].mean() - gap[left].mean() > 0.2


def test_what_a_query_does_to_all_llms_alike_is_no_difference() -> None:
    features = GENERATOR.normal(size=(400, 8)).astype(np.float32)
    quality = np.repeat((features[:, :1] > 0).astype(np.float32), 3, axis=1)
    targets = shrunk_quality(features, quality, np.zeros(400, dtype=np.int64), seed=0, judged_by="differences")
    np.testing.assert_allclose(targets, np.tile(quality.mean(axis=0), (400, 1)), atol=1e-5)


def test_differences_are_judged_where_qualities_are_known() -> None:
    features = GENERATOR.normal(size=(200, 4)).astype(np.float32)
    quality = (GENERATOR.random((200, 3)) < 0.5).astype(np.float32)
    quality[::3, 1] = np.nan
    quality[:, 2] = np.nan
    targets = shrunk_quality(features, quality, np.zeros(200, dtype=np.int64), seed=0, judged_by="differences")
    assert not np.isnan(targets[:, :2]).any()
    assert np.isnan(targets[:, 2]).all()
