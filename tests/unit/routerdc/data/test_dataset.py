"""Reading scored queries: every format, every kind of bad row."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerdc.data.dataset import FEWEST_JUDGES, Dataset, Metric, pool
from routerdc.data.formats import json_reader
from routerdc.data.formats.rows import DataError
from routerdc.data.loading import dataset_name, load, load_all
from routerdc.data.sidecar import known_metric

ROWS = [
    {"question": "1+1?", "scores": {"a": 1.0, "b": 0.5}, "costs": {"a": 0.1, "b": 0.2}, "cluster_id": 0},
    {"question": "你好吗\n?", "scores": {"b": 0.25, "c": 1, "a": None}, "costs": {"b": 0.3}, "cluster_id": 2},
]


def floats(rows: list[list[float]]) -> npt.NDArray[np.float32]:
    return np.array(rows, dtype=np.float32)


def write_json(folder: Path, rows: object, name: str = "set.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return path


def check_rows(dataset: Dataset) -> None:
    nan = np.nan
    assert dataset.queries == ("1+1?", "你好吗\n?")
    assert dataset.llms == ("a", "b", "c")
    np.testing.assert_array_equal(dataset.scores, floats([[1, 0.5, nan], [nan, 0.25, 1]]))
    assert dataset.costs is not None
    np.testing.assert_array_equal(dataset.costs, floats([[0.1, 0.2, nan], [nan, 0.3, nan]]))
    assert dataset.cluster_ids is not None
    assert dataset.cluster_ids.tolist() == [0, 2]
    assert dataset.scores.dtype == np.float32


def test_rows_that_a_plan_has_mixed_up_do_not_judge_where_there_are_enough_others(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "question": str(number), "steered": number >= FEWEST_JUDGES} for number in range(60)]
    found = load(write_json(tmp_path, rows))
    assert found.judges.tolist() == [True] * FEWEST_JUDGES + [False] * 10
    assert found.judging().queries == found.queries[:FEWEST_JUDGES]
    assert found.select(found.judges).judging().judges.all()
    assert found.select(np.arange(1, 60)).judges.all()  # one too few
    plain = load(write_json(tmp_path, ROWS))
    assert plain.steered is None
    assert plain.judging() is plain


def test_json_list_is_read_by_name_with_missing_scores_as_nan(tmp_path: Path) -> None:
    check_rows(load(write_json(tmp_path, ROWS)))


def test_json_lines_skip_blank_lines_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text("\ufeff" + "\n\n".join(json.dumps(row) for row in ROWS) + "\n\n", encoding="utf-8")
    check_rows(load(path))


def test_csv_with_dotted_columns_and_a_quoted_line_break(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text(
        "question,scores.a,scores.b,scores.c,costs.a,costs.b,cluster_id\n"
        '1+1?,1.0,0.5,,0.1,0.2,0\n"你好吗\n?",,0.25,1,,0.3,2\n',
        encoding="utf-8",
    )
    check_rows(load(path))


def test_csv_says_which_rows_have_steered_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text("question,scores.a,steered\n1?,1,True\n2?,0,\n3?,0,false\n", encoding="utf-8")
    steered = load(path).steered
    assert steered is not None
    assert steered.tolist() == [True, False, False]


def test_parquet_with_structs(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "set.parquet")
    dataset = load(tmp_path / "set.parquet")
    order = [dataset.llms.index(llm) for llm in "ab"]
    np.testing.assert_array_equal(dataset.scores[:, order], floats([[1, 0.5], [np.nan, 0.25]]))


def test_parquet_with_maps_and_flat_columns_agree(tmp_path: Path) -> None:
    questions = ["x", "y"]
    kind = pa.map_(pa.string(), pa.float64())
    mapped = pa.table({"question": questions, "scores": pa.array([[("a", 1.0)], [("a", 0.5), ("b", 0.0)]], kind)})
    flat = pa.table({"question": questions, "scores.a": [1.0, 0.5], "scores.b": [None, 0.0]})
    pq.write_table(mapped, tmp_path / "mapped.parquet")
    pq.write_table(flat, tmp_path / "flat.parquet")
    np.testing.assert_array_equal(load(tmp_path / "mapped.parquet").scores, load(tmp_path / "flat.parquet").scores)


BAD_ROWS = [
    ("[1, 2]", "not an object but a list"),
    ("null", "not an object but null"),
    ('{"scores": {"a": 1}}', "question: missing"),
    ('{"question": 7, "scores": {"a": 1}}', "question: not text but a number"),
    ('{"question": " \\n", "scores": {"a": 1}}', "question: empty"),
    ('{"question": "x"}', "scores: missing"),
    ('{"question": "x", "scores": [1]}', "scores: not an object but a list"),
    ('{"question": "x", "scores": {}}', "scores: none given"),
    ('{"question": "x", "scores": {"a": null}}', "scores: none given"),
    ('{"question": "x", "scores": {"a": "good"}}', "scores['a']: not a number but text: 'good'"),
    ('{"question": "x", "scores": {"a": [1]}}', "scores['a']: not a number but a list"),
    ('{"question": "x", "scores": {"a": "1_0"}}', "scores['a']: not a number but text: '1_0'"),
    ('{"question": "x", "costs": {"a": "1,234"}, "scores": {"a": 1}}', "costs['a']: '1,234' can be read in two ways"),
    ('{"question": "x", "scores": {"a": Infinity}}', "scores['a']: inf is not a finite number"),
    ('{"question": "x", "scores": {"a": 57}}', "scores['a']: 57 is outside [0, 1]: write 0.57, or 57%"),
    ('{"question": "x", "scores": {"a": 1, "b": 0, "a": 0}}', "scores: LLMs named twice: a"),
    ('{"question": "x", "question": "y", "scores": {"a": 1}}', "fields given twice: question"),
    ('{"question": "x", "scores": {"": 1}}', "scores: an empty name"),
    ('{"question": "x", "scores": {"a": 1}, "costs": {"a": -1}}', "costs['a']: -1 is outside [0, 1e+06]"),
    ('{"question": "x", "scores": {"a": 1}, "costs": {"a": 1e400}}', "costs['a']: inf is not a finite number"),
    ('{"question": "x", "scores": {"a": 1}, "costs": {"a": 1' + "0" * 400 + "}}", "is outside [0, 1e+06]"),
    ('{"question": "\\ud83d", "scores": {"a": 1}}', "question: not valid Unicode"),
    ('{"question": "x", "scores": {"a": 1}, "cluster_id": 99999999999999999999}', "cluster_id: beyond 64 bits"),
    ('{"question": "x", "scores": {"a": 1}, "cluster_id": "z"}', "cluster_id: not an integer but text"),
    ('{"question": "x", "scores": {"a": 1}, "steered": "yes"}', "steered: not true or false but text"),
]
GOOD = '{"question": "fine", "scores": {"a": 1}}'


@pytest.mark.parametrize(("row", "reason"), BAD_ROWS)
def test_bad_row_in_a_json_list_is_named_with_line_and_reason(tmp_path: Path, row: str, reason: str) -> None:
    path = tmp_path / "set.json"
    path.write_text(f"[\n{GOOD},\n\n  {row},\n{GOOD}\n]", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load(path)
    assert f"{path}:4: row 2: " in str(caught.value)
    assert reason in str(caught.value)
    assert "1 bad rows" in str(caught.value)
    dataset = load(path, skip_bad_rows=True)
    assert len(dataset) == 2
    assert [(bad.row, bad.line) for bad in dataset.skipped] == [(2, 4)]


def test_bad_json_line_is_one_bad_row_among_good_ones(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(f'{GOOD}\n{{"question": "x",\n\n{GOOD}\n', encoding="utf-8")
    dataset = load(path, skip_bad_rows=True)
    assert len(dataset) == 2
    assert str(dataset.skipped[0]).startswith(f"{path}:2: row 2: not JSON: ")


@pytest.mark.parametrize("value", ["[" * 100_000, "1" * 5_000], ids=["deep nesting", "a number of 5,000 digits"])
def test_what_the_json_parser_refuses_is_a_bad_row_and_no_crash(tmp_path: Path, value: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(f"{value}\n{GOOD}\n", encoding="utf-8")
    assert [bad.line for bad in load(path, skip_bad_rows=True).skipped] == [1]
    whole = tmp_path / "set.json"
    whole.write_text(f"[{value}, {GOOD}]", encoding="utf-8")
    with pytest.raises(DataError, match="row 1 is not JSON"):
        load(whole)


def test_csv_cell_longer_than_pythons_own_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text(f"question,scores.a\n{'long ' * 50_000},1\n", encoding="utf-8")
    assert len(load(path).queries[0]) == 250_000


def test_csv_row_with_too_few_cells_is_named_with_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text('question,scores.a\n"two\nlines",1\nlonely\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"set\.csv:4: row 2: 1 cells, but the header has 2"):
        load(path)


def test_csv_header_with_one_name_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text("question,scores.a,scores.a\nx,1,0\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"columns named twice: scores\.a"):
        load(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("set.txt", "x", "unknown format"),
        ("set.json", '{"question": 1}', "not a JSON list"),
        ("set.json", "", "not a JSON list"),
        ("set.json", "[", "row 1 is not JSON"),
        ("set.json", f"[\n{GOOD}\n{GOOD}]", "expected ',' or ']' after row 1"),
        ("set.json", f'[\n{GOOD},\n{{"question": }}]', "row 2 is not JSON"),
        ("set.json", f"[{GOOD},]", "row 2 is not JSON"),
        ("set.json", "[]", "no usable row"),
        ("set.parquet", "no parquet", "not Parquet"),
    ],
)
def test_unusable_file_gets_a_clear_error(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load(path)


def test_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(b'{"question": "\xff"}')
    with pytest.raises(DataError, match="not UTF-8"):
        load(path)


def test_only_the_first_bad_rows_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text("{}\n" * 25, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load(path)
    assert str(caught.value).count(": row ") == 3
    assert "… and 22 more rows like that" in str(caught.value)
    with pytest.raises(DataError, match="no usable row"):
        load(path, skip_bad_rows=True)


def test_every_name_that_nobody_can_serve_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text('{"question": "q", "scores": {" lead": 1, "good": 0, "new\\nline": 0, "auto": 1}}\n' * 9)
    with pytest.raises(DataError, match=r"' lead' begins.*'new\\nline' holds.*'auto' is reserved"):
        load(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(values=st.lists(json_values, max_size=5), indent=st.sampled_from([None, 1]), piece=st.integers(1, 9))
def test_json_read_in_pieces_of_any_size_equals_json_read_whole(
    tmp_path_factory: pytest.TempPathFactory, values: list[object], indent: int | None, piece: int
) -> None:
    path = tmp_path_factory.mktemp("pieces") / "set.json"
    path.write_text(json.dumps(values, indent=indent, ensure_ascii=False), encoding="utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_reader, "PIECE_CHARS", piece)
        assert [row.value for row in json_reader.read_json(path)] == values


def test_sidecar_gives_name_metric_and_prices(tmp_path: Path) -> None:
    path = write_json(tmp_path, [{"question": "x", "scores": {"a": 0.2, "b": 1}}])
    path.with_suffix(".yaml").write_text(
        "name: mine\nmetric: probability\nprices: {a: 2.0}\ntokens_per_query: 1000\n", encoding="utf-8"
    )
    dataset = load(path)
    assert (dataset.name, dataset.metric) == ("mine", Metric.PROBABILITY)
    assert dataset.costs is not None
    np.testing.assert_allclose(dataset.costs, [[0.002, np.nan]])
    assert load(path, metric=Metric.PASS_RATE).metric is Metric.PASS_RATE


def test_sidecar_with_an_unknown_field_is_refused_by_name(tmp_path: Path) -> None:
    path = write_json(tmp_path, ROWS)
    path.with_suffix(".yaml").write_text("metrik: probability\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"set\.yaml: metrik"):
        load(path)


def test_quality_counts_positive_probabilities_as_right_and_takes_pass_rates_as_they_are() -> None:
    scores = floats([[0.3, 0.0, np.nan]])
    passed = Dataset("x", ("q",), ("a", "b", "c"), scores)
    np.testing.assert_array_equal(replace(passed, metric=Metric.PROBABILITY).quality(), [[1, 0, np.nan]])
    np.testing.assert_array_equal(passed.quality(), scores)


def test_clusters_are_none_unless_every_row_has_one(tmp_path: Path) -> None:
    rows = [ROWS[0], {**ROWS[1], "cluster_id": None}]
    assert load(write_json(tmp_path, rows)).cluster_ids is None


def test_aligning_reorders_by_name_and_fills_unknown_llms_with_nan(tmp_path: Path) -> None:
    dataset = load(write_json(tmp_path, ROWS)).aligned(["c", "new", "a"])
    np.testing.assert_array_equal(dataset.scores, floats([[np.nan, np.nan, 1], [1, np.nan, np.nan]]))
    assert dataset.costs is not None
    assert dataset.costs.shape == (2, 3)


def test_selecting_rows_by_mask_and_by_index_agree(tmp_path: Path) -> None:
    dataset = load(write_json(tmp_path, ROWS))
    by_mask, by_index = dataset.select(np.array([False, True])), dataset.select([1])
    assert by_mask.queries == by_index.queries == ("你好吗\n?",)
    assert len(by_mask) == len(by_mask.scores) == 1


def test_folder_is_read_in_order_of_names_and_an_empty_one_refused(tmp_path: Path) -> None:
    write_json(tmp_path, ROWS, "b_test.json")
    write_json(tmp_path, [{"question": "x", "scores": {"z": 1, "a": 0}}], "a-train.json")
    datasets = load_all(tmp_path)
    assert [dataset.name for dataset in datasets] == ["a", "b"]
    assert pool(datasets) == ("z", "a", "b", "c")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no data file"):
        load_all(tmp_path / "empty")


@pytest.mark.parametrize(
    ("path", "name", "metric"),
    [
        ("gsm8k-train.json", "gsm8k", Metric.PASS_RATE),
        ("arc_challenge_test.json", "arc_challenge", Metric.PROBABILITY),
        ("MATH_prealgebra.json", "MATH_prealgebra", Metric.PROBABILITY),
        ("pool9/train.json", "pool9", Metric.PASS_RATE),
        ("contest.json", "contest", Metric.PASS_RATE),
    ],
)
def test_name_and_metric_of_known_files(path: str, name: str, metric: Metric) -> None:
    assert dataset_name(Path(path)) == name
    assert known_metric(name) is metric
