"""What the benchmark of sparse grades says of its seeds."""

from labelling.benchmark.sparse import spread


def test_differences_have_a_mean_a_deviation_and_the_error_of_the_mean() -> None:
    assert spread([-2.0, 0.0, -1.0, -1.0]) == {"mean": -1.0, "standard deviation": 0.82, "standard error": 0.41}


def test_one_seed_has_no_spread() -> None:
    assert spread([-0.5]) == {"mean": -0.5, "standard deviation": None, "standard error": None}
