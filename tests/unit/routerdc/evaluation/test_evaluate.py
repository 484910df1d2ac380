"""The whole evaluation on a small world."""

from dataclasses import replace

import numpy as np
import pytest

from routerdc.data.dataset import Dataset
from routerdc.data.formats.rows import DataError
from routerdc.evaluation.baselines.frame import BEST_SINGLE, DOMAIN_EXPERT, KNN, KNN_PRIOR
from routerdc.evaluation.evaluate import Options, Subject, evaluate
from routerdc.evaluation.measures.judging import IN_DISTRIBUTION, OUT_OF_DISTRIBUTION
from routerdc.evaluation.measures.report import Line, Report
from routerdc.evaluation.reports.tables import tables
from routerdc_contract.bundle import LlmSpec
from tests.support.data.two_subjects import LLMS, embed, only_cheap

BARE = Options(robustness=False)


@pytest.fixture(scope="module")
def whole(few_resamples: None, subject: Subject, train: list[Dataset], test: list[Dataset]) -> Report:
    """With everything that a report may have; several tests read it."""
    return evaluate(subject, train, test, embed, Options(cost=True))


def line(report: Report, name: str) -> Line:
    return next(one for one in report.lines if one.name.startswith(name))


def test_means_groups_and_shares_by_hand(whole: Report, test: list[Dataset]) -> None:
    sums, verses, odes = (100 * dataset.scores.mean(axis=0) for dataset in test)
    router = line(whole, "router")
    assert [(one.name, one.group) for one in whole.sets] == [
        ("sums", IN_DISTRIBUTION),
        ("verses", IN_DISTRIBUTION),
        ("odes", OUT_OF_DISTRIBUTION),
    ]
    assert router.groups[IN_DISTRIBUTION].mean == pytest.approx((sums[0] + verses[1]) / 2)
    assert router.groups[OUT_OF_DISTRIBUTION].mean == pytest.approx(odes[1])
    assert router.shares[IN_DISTRIBUTION] == {"mathematician": 50, "poet": 50, "cheap": 0}
    assert line(whole, "poet").sets["sums"].mean == pytest.approx(sums[1])
    assert line(whole, "random").sets["odes"].mean == pytest.approx(odes.mean())
    assert line(whole, "oracle").sets["odes"].mean == pytest.approx(100 * test[2].scores.max(axis=1).mean())
    assert line(whole, "expert per data set").groups == router.groups  # the nearest centroid of odes is verses
    assert line(whole, "hindsight").sets["odes"].mean == pytest.approx(odes.max())
    assert router.collapsed_to is None
    assert line(whole, BEST_SINGLE).collapsed_to is not None


def test_differences_are_paired(whole: Report) -> None:
    against = line(whole, "router").versus
    assert set(against) == {BEST_SINGLE, DOMAIN_EXPERT, KNN_PRIOR}
    best = line(whole, BEST_SINGLE).groups[IN_DISTRIBUTION].mean
    difference = against[BEST_SINGLE][IN_DISTRIBUTION]
    assert difference.mean == pytest.approx(line(whole, "router").groups[IN_DISTRIBUTION].mean - best)
    assert difference.low is not None
    assert difference.low > 0
    same = line(whole, "expert per data set").versus[BEST_SINGLE][IN_DISTRIBUTION]
    assert same == difference


def test_collapsed_router_is_called_so(subject: Subject, train: list[Dataset], test: list[Dataset]) -> None:
    stuck = replace(subject, score=only_cheap)
    assert line(evaluate(stuck, train, test, embed, BARE), "router").collapsed_to == "cheap"


def test_order_of_columns_in_the_data_changes_nothing(
    whole: Report, subject: Subject, train: list[Dataset], test: list[Dataset]
) -> None:
    def mixed(datasets: list[Dataset]) -> list[Dataset]:
        return [dataset.aligned([*np.roll(LLMS, index + 1)]) for index, dataset in enumerate(datasets)]

    assert evaluate(subject, mixed(train), mixed(test), embed, Options(cost=True)) == whole


def test_missing_scores_restrict_the_choice_and_are_never_zero(
    subject: Subject, train: list[Dataset], test: list[Dataset]
) -> None:
    nan = np.nan
    scores = np.array([[nan, 0, 1], [0, 1, nan], [nan, nan, 0], [nan, nan, nan]], dtype=np.float32)
    gaps = Dataset("gaps", ("sum 1", "verse 2", "verse 3", "verse 4"), LLMS, scores)
    report = evaluate(subject, train, [gaps], embed, BARE)
    assert line(report, "router").sets["gaps"].mean == 100
    assert line(report, "cheap").sets["gaps"].mean == 100
    assert line(report, "mathematician").sets["gaps"].mean == 0
    assert report.sets[0].rows == 2
    assert report.sets[0].missing == pytest.approx(100 / 3)
    assert "gaps: 2 test rows left out: fewer than two LLMs to choose from" in report.notes


def test_test_rows_that_a_plan_has_mixed_up_do_not_judge_and_are_counted(
    subject: Subject, train: list[Dataset]
) -> None:
    scores = np.array([*[[1, 0, 0]] * 60, [0, 0, np.nan]], dtype=np.float32)
    steered = np.arange(61) == 60
    odd = Dataset("odd", tuple(f"sum {number}" for number in range(61)), LLMS, scores, steered=steered)
    report = evaluate(subject, train, [odd], embed, BARE)
    assert report.sets[0].rows == 60
    assert line(report, "router").sets["odd"].mean == 100
    assert sum(note.startswith("odd: 1 rows teach and do not judge") for note in report.notes) == 1
    every = evaluate(subject, train, [replace(odd, steered=np.arange(61) > 10)], embed, BARE)
    assert every.sets[0].rows == 61  # eleven would be too few
    assert sum("50 rows have steered" in note and "judge all the same" in note for note in every.notes) == 1


def test_llms_outside_the_pool_are_left_out_and_named(
    subject: Subject, train: list[Dataset], test: list[Dataset]
) -> None:
    wider = replace(
        test[0], llms=("stranger", *LLMS), scores=np.column_stack([np.ones(50), test[0].scores]), costs=None
    )
    report = evaluate(subject, train, [wider], embed, BARE)
    assert report.lines == evaluate(subject, train, test[:1], embed, BARE).lines
    assert report.notes[1:] == ["sums: not in the router's pool, left out: stranger"]


def test_data_that_knows_none_of_the_llms_is_refused(
    subject: Subject, train: list[Dataset], test: list[Dataset]
) -> None:
    with pytest.raises(DataError, match="sums: no row knows enough of the router's LLMs"):
        evaluate(replace(subject, llms=(LlmSpec(name="new"),)), train, test, embed, BARE)


def test_two_test_sets_with_one_name_are_refused(subject: Subject, train: list[Dataset], test: list[Dataset]) -> None:
    with pytest.raises(DataError, match="test sets with one name: sums"):
        evaluate(subject, train, [test[0], test[0]], embed, BARE)


def test_calibration_is_reported_by_group_or_not_at_all(
    whole: Report, subject: Subject, train: list[Dataset], test: list[Dataset]
) -> None:
    found = whole.calibration
    assert set(found) == {IN_DISTRIBUTION, OUT_OF_DISTRIBUTION}
    truth = test[2].scores
    predicted = 1 / (1 + np.exp(-(1.2 * np.array([0, 2, 1]) - 1)))
    apart = np.abs(predicted - truth.mean(axis=0))
    assert list(found[OUT_OF_DISTRIBUTION].ece_per_llm.values()) == pytest.approx(list(apart))
    assert found[OUT_OF_DISTRIBUTION].ece_of_choice == pytest.approx(apart[1])
    floor = (2 / np.pi * predicted[1] * (1 - predicted[1]) / len(truth)) ** 0.5
    assert found[OUT_OF_DISTRIBUTION].floor_of_choice == pytest.approx(floor)
    note = next(table.note for table in tables(whole) if table.title == "Expected calibration error")
    assert f"{floor:.3f} {OUT_OF_DISTRIBUTION}" in note
    plain = replace(subject, llms=tuple(LlmSpec(name=llm) for llm in LLMS))
    assert evaluate(plain, train, test, embed, BARE).calibration == {}


def test_overlaps_with_the_training_data_are_counted(
    subject: Subject, train: list[Dataset], test: list[Dataset]
) -> None:
    leaky = replace(test[0], queries=(train[0].queries[0].upper(), *test[0].queries[1:]))
    overlap = evaluate(subject, train, [leaky], embed, BARE).overlaps[0]
    assert (overlap.name, overlap.inside, overlap.in_train) == ("sums", 0, 1)


def test_smaller_pools_and_changed_prompts(whole: Report, test: list[Dataset]) -> None:
    without = {removal.llm: removal for removal in whole.removals}
    verse = 100 * test[2].scores.mean(axis=0)
    assert without["poet"].router[OUT_OF_DISTRIBUTION] == pytest.approx(verse[2])  # its second choice
    assert without["cheap"].router[OUT_OF_DISTRIBUTION] == pytest.approx(verse[1])
    best_left = 100 * test[2].scores[:, :2].max(axis=1).mean()
    assert without["cheap"].oracle[OUT_OF_DISTRIBUTION] == pytest.approx(best_left)
    unchanged, stripped, shuffled, typos = whole.perturbed
    assert unchanged.groups == line(whole, "router").groups
    assert (stripped.changed, stripped.same_choice, shuffled.changed) == (0, 100, 0)
    assert typos.changed > 0
    assert typos.same_choice < 100  # this router looks at the first letters


def test_cost_curves_know_router_baselines_hull_and_oracle(whole: Report) -> None:
    assert [report.name for report in whole.costs] == ["all data sets", "sums", "verses", "odes"]
    together = whole.costs[0]
    curves = {curve.name: curve for curve in together.curves}
    assert together.rows == 120
    assert [together.low, together.high] == pytest.approx([0.001, 0.004])
    areas = {name: curve.aiq.mean for name, curve in curves.items()}
    assert areas["oracle"] > areas["router"] > areas["single LLMs (hull)"]
    assert curves["router"].versus.keys() == {DOMAIN_EXPERT, KNN_PRIOR, KNN, "single LLMs (hull)"}
    reached = curves["router"].cost_of_best_single
    assert reached is not None
    assert curves["router"].cost_save == pytest.approx(1 - reached / together.best_single.cost)
    assert curves["router"].perf_gain > 0
    assert curves["router"].pareto_dist < curves["single LLMs (hull)"].pareto_dist
    assert reached < together.best_single.cost


def test_costs_of_some_llms_are_enough_for_a_curve_over_those(
    subject: Subject, train: list[Dataset], test: list[Dataset]
) -> None:
    def without_the_poets(dataset: Dataset) -> Dataset:
        assert dataset.costs is not None
        costs = dataset.costs.copy()
        costs[:, 1] = np.nan
        return replace(dataset, costs=costs)

    options = Options(robustness=False, cost=True)
    learn, judge = ([without_the_poets(one) for one in sets] for sets in (train, test))
    together = evaluate(subject, learn, judge, embed, options).costs[0]
    assert [single.name for single in together.singles] == ["mathematician", "cheap"]
    assert [together.low, together.high] == pytest.approx([0.001, 0.004])
    assert not np.isnan(together.curves[0].aiq.mean)


def test_cost_without_costs_says_what_to_do(subject: Subject, train: list[Dataset], test: list[Dataset]) -> None:
    options = Options(robustness=False, cost=True)
    unpriced = [replace(dataset, costs=None) for dataset in test]
    with pytest.raises(DataError, match="no costs in sums, verses, odes: give `costs` per row"):
        evaluate(subject, train, unpriced, embed, options)
    with pytest.raises(DataError, match="no costs in the training data"):
        evaluate(subject, [replace(dataset, costs=None) for dataset in train], test, embed, options)
