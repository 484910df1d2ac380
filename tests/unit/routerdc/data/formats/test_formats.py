"""Tables as people have them: whatever is unambiguous is read, the rest is refused by name, nothing is lost."""

import gzip
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerdc.data.dataset import Dataset
from routerdc.data.formats.columns import Columns
from routerdc.data.formats.rows import DataError
from routerdc.data.loading import load, load_all

A = '{"question": "q1", "scores": {"a": 1, "b": 0}}'
B = '{"question": "q2", "scores": {"a": 0, "b": 1}}'
TWO_ROWS = np.array([[1, 0], [0, 1]], dtype=np.float32)


def check(dataset: Dataset) -> None:
    assert dataset.queries == ("q1", "q2")
    assert dataset.llms == ("a", "b")
    np.testing.assert_array_equal(dataset.scores, TWO_ROWS)


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    "text",
    [
        "question,scores.a,scores.b\nq1,1,0\nq2,0,1\n",
        "question,scores.a, scores.b\nq1,1, 0\nq2,0, 1\n",
        "question , scores.a , scores. b\nq1,1,0\nq2,0,1\n",
        "question,scores.a,scores.b\nq1,1,0\nq2,0,1\n\n",
        "question,scores.a,scores.b\n\nq1,1,0\n,,\nq2,0,1\n",
        "question;scores.a;scores.b\nq1;1,0;0\nq2;0,0;1,0\n",
        "question\tscores.a\tscores.b\nq1\t1\t0\nq2\t0\t1\n",
        "question|scores.a|scores.b\nq1|1|0\nq2|0|1\n",
        "sep=;\nquestion;scores.a;scores.b\nq1;1;0\nq2;0;1\n",
        "question,scores.a,scores.b\r\nq1,1,0\r\nq2,0,1\r\n",
        "\ufeffquestion,scores.a,scores.b\nq1,1,0\nq2,0,1\n",
        "question,\ufeffscores.a,scores.b\u00a0\nq1,1,0\nq2,0,1\n",
        "question,scores.a,scores.b\nq1,True,False\nq2,FALSE,yes\n",
        "question,scores.a,scores.b\nq1,100%,0%\nq2,0 %,100 %\n",
        'question,scores.a,scores.b\n"q1","1,0","0,0"\n"q2","0,00","1"\n',
        ",question,scores.a,scores.b\n0,q1,1,0\n1,q2,0,1\n",
        "question,scores.a,scores.b,\nq1,1,0,\nq2,0,1,\n",
    ],
)
def test_csv_of_every_habit_says_the_same(tmp_path: Path, text: str) -> None:
    check(load(written(tmp_path / "set.csv", text)))


@pytest.mark.parametrize("missing", ["NaN", "nan", "null", "NULL", "NA", "N/A", "None", "-", "", " ", "<NA>"])
def test_a_missing_grade_is_missing_however_it_is_written(tmp_path: Path, missing: str) -> None:
    dataset = load(written(tmp_path / "set.csv", f"question,scores.a,scores.b\nq1,{missing},1\nq2,0,1\n"))
    np.testing.assert_array_equal(dataset.scores, np.array([[np.nan, 1], [0, 1]], dtype=np.float32))


@pytest.mark.parametrize(
    ("cell", "grade"),
    [("0,85", 0.85), ("85%", 0.85), ("0.85", 0.85), ("8.5e-1", 0.85), (".85", 0.85), ("1.0000000000000002", 1.0)],
)
def test_one_grade_in_many_spellings(tmp_path: Path, cell: str, grade: float) -> None:
    csv = load(written(tmp_path / "set.csv", f"question;scores.a\nq1;{cell}\n"))
    lines = load(written(tmp_path / "set.jsonl", json.dumps({"question": "q1", "scores": {"a": cell}})))
    assert csv.scores[0, 0] == lines.scores[0, 0] == pytest.approx(grade)


def test_a_grade_past_the_edge_by_rounding_is_on_the_edge(tmp_path: Path) -> None:
    text = '{"question": "x", "scores": {"a": 1.0000000000000002, "b": -1e-17}}'
    assert load(written(tmp_path / "set.jsonl", text)).scores.tolist() == [[1.0, 0.0]]


def test_booleans_are_grades_in_every_format(tmp_path: Path) -> None:
    check(load(written(tmp_path / "set.jsonl", A.replace("1, ", "true, ").replace("0}", "false}") + "\n" + B)))
    columns = {"question": ["q1", "q2"], "scores.a": [True, False], "scores.b": [False, True]}
    pq.write_table(pa.table(columns), tmp_path / "set.parquet")
    check(load(tmp_path / "set.parquet"))


@pytest.mark.parametrize(
    "kind", [pa.float16(), pa.float32(), pa.decimal128(3, 2), pa.int8()], ids=["half", "float", "decimal", "integer"]
)
def test_parquet_numbers_of_every_kind(tmp_path: Path, kind: pa.DataType) -> None:
    one, zero = (Decimal("1.00"), Decimal("0.00")) if pa.types.is_decimal(kind) else (np.float16(1), np.float16(0))
    values = [one, zero] if not pa.types.is_integer(kind) else [1, 0]
    columns = {"question": ["q1", "q2"], "scores.a": pa.array(values, kind), "scores.b": pa.array(values[::-1], kind)}
    pq.write_table(pa.table(columns), tmp_path / "set.parquet")
    check(load(tmp_path / "set.parquet"))


def test_parquet_pairs_of_name_and_grade_are_read(tmp_path: Path) -> None:
    rows = [
        {"question": "q1", "scores": [{"llm": "a", "score": 1.0}, {"llm": "b", "score": 0.0}]},
        {"question": "q2", "scores": [{"llm": "a", "score": 0.0}, {"llm": "b", "score": 1.0}]},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set.parquet")
    check(load(tmp_path / "set.parquet"))


@pytest.mark.parametrize("value", [[1.0, 0.0], [{"llm": "a", "n": 1, "score": 1.0}]], ids=["numbers", "three fields"])
def test_parquet_lists_that_name_no_llm_are_refused(tmp_path: Path, value: object) -> None:
    pq.write_table(pa.Table.from_pylist([{"question": "q1", "scores": value}]), tmp_path / "set.parquet")
    with pytest.raises(DataError, match=r"row 1: scores: not an object but a list: write \{LLM name: number\}"):
        load(tmp_path / "set.parquet")


@pytest.mark.parametrize("second", ["scores.a", "scores.a ", "\ufeffscores.a"])
def test_a_parquet_column_given_twice_is_refused(tmp_path: Path, second: str) -> None:
    table = pa.table([["q1"], [1.0], [0.0]], names=["question", "scores.a", second])
    pq.write_table(table, tmp_path / "set.parquet")
    with pytest.raises(DataError, match=r"columns named twice: scores\.a"):
        load(tmp_path / "set.parquet")


def test_lists_one_after_the_other_are_all_read(tmp_path: Path) -> None:
    dataset = load(written(tmp_path / "set.json", f"[{A}]\n[{B}]\n"))
    check(dataset)
    with pytest.raises(DataError, match=r"set\.json:2: text after the end of the list"):
        load(written(tmp_path / "set.json", f"[{A}]\n{B}\n"))


def test_a_json_list_named_as_lines_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"set\.jsonl:1: a JSON list, not one object a line: name the file \.json"):
        load(written(tmp_path / "set.jsonl", f"[\n{A},\n{B}\n]"))


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    written(tmp_path / "a.jsonl", A)
    written(tmp_path / "c.ndjson", A)
    written(tmp_path / "sub/d.jsonl", A)
    written(tmp_path / "README.md", "no data")
    written(tmp_path / ".hidden/e.jsonl", A)
    written(tmp_path / "c.yml", "name: see")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(A.encode()) + gzip.compress(b"\n" + B.encode()))
    datasets = load_all(tmp_path)
    assert [(dataset.name, len(dataset)) for dataset in datasets] == [("a", 1), ("b", 2), ("see", 1), ("d", 1)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("table.xlsx", "cannot read"),
        ("rows.jsonl.zst", "cannot read"),
        ("rows.parquet.gz", "cannot read"),
        ("other.yml", "describes no data file"),
    ],
)
def test_a_folder_with_data_that_would_be_lost_is_refused(tmp_path: Path, name: str, message: str) -> None:
    written(tmp_path / "a.jsonl", A)
    file = written(tmp_path / name, "{}")
    with pytest.raises(DataError, match=message) as caught:
        load_all(tmp_path)
    assert str(file) in str(caught.value)


def test_two_files_of_one_name_are_two_data_sets(tmp_path: Path) -> None:
    first, second = written(tmp_path / "x/math.jsonl", A), written(tmp_path / "y/math.jsonl", B)
    assert [dataset.name for dataset in load_all([first, second])] == ["x/math", "y/math"]
    with pytest.raises(DataError, match="named twice: its rows would count double"):
        load_all([first, tmp_path / "x"])


@pytest.mark.parametrize("second", ["math.csv", "math_test.jsonl", "math-train.jsonl.gz"])
def test_files_of_one_folder_that_would_share_a_name_have_their_own(tmp_path: Path, second: str) -> None:
    first = written(tmp_path / "math.jsonl", A)
    if second.endswith(".gz"):
        (tmp_path / second).write_bytes(gzip.compress(A.encode()))
    else:
        written(tmp_path / second, A if second.endswith(".jsonl") else "question,scores.a,scores.b\nq1,1,0\n")
    elsewhere = written(tmp_path / "other/math.jsonl", B)
    found = [dataset.name for dataset in load_all([first, tmp_path / second, elsewhere])]
    assert found == ["math.jsonl", second, "math"]


@pytest.mark.parametrize("column", ["Scores.b", "score.b", "scores:b", "SCORES[b]", "costs/b", "“scores.b”"])
def test_a_column_that_is_nearly_a_grade_is_not_passed_over(tmp_path: Path, column: str) -> None:
    with pytest.raises(DataError, match=r"write scores\.NAME or costs\.NAME"):
        load(written(tmp_path / "set.csv", f"question,scores.a,{column}\nq1,1,0\n"))
    pq.write_table(pa.table({"question": ["q1"], "scores.a": [1], column: [0]}), tmp_path / "set.parquet")
    with pytest.raises(DataError, match=r"write scores\.NAME or costs\.NAME"):
        load(tmp_path / "set.parquet")
    check(load(written(tmp_path / "fine.csv", "question,scores.a,scores.b,score_note\nq1,1,0,x\nq2,0,1,y\n")))


def test_a_score_column_that_no_file_has_is_refused(tmp_path: Path) -> None:
    gpt = written(tmp_path / "gpt.csv", "prompt,gpt\nq1,1\n")
    llama = written(tmp_path / "llama.csv", "prompt,llama\nq2,0\n")
    columns = Columns("prompt", ("gpt", "llama"))
    assert len(load_all([gpt, llama], columns=columns)) == 2
    with pytest.raises(DataError, match=r"--score-columns: no row has a grade in lama: write it as the file does"):
        load_all([gpt], columns=Columns("prompt", ("gpt", "lama")))


def test_two_sidecars_of_one_file_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", A)
    written(tmp_path / "a.yaml", "name: x")
    written(tmp_path / "a.yml", "name: y")
    with pytest.raises(DataError, match="keep one of them"):
        load(path)


def test_a_damaged_gzip_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(A.encode())[:-9])
    with pytest.raises(DataError, match=r"a\.jsonl\.gz: damaged gzip file"):
        load(tmp_path / "a.jsonl.gz")


def test_bare_columns_are_read_when_they_are_named_and_hinted_at_otherwise(tmp_path: Path) -> None:
    path = written(tmp_path / "set.csv", "prompt,a,b,note\nq1,1,0,x\nq2,0,1,y\n")
    check(load(path, columns=Columns("prompt", ("a", "b"))))
    with pytest.raises(DataError) as caught:
        load(path)
    assert "found: a, b, note, prompt; say which they are: --question-column prompt" in str(caught.value)
    assert str(caught.value).count("question: missing") == 2
    lines = written(tmp_path / "set.jsonl", '{"prompt": "q1", "a": 1, "b": 0}\n{"prompt": "q2", "a": 0, "b": 1}\n')
    check(load(lines, columns=Columns("prompt", ("a", "b"))))


def test_scores_as_a_column_and_as_columns_cannot_both_be_meant(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="keep one kind"):
        load(written(tmp_path / "set.csv", "question,scores,scores.a\nq1,1,1\n"))


def test_one_message_for_each_cause(tmp_path: Path) -> None:
    rows = "\n".join(f"q{n},{n},good" for n in range(2, 300))
    with pytest.raises(DataError) as caught:
        load(written(tmp_path / "set.csv", f"question,scores.a,scores.b\n{rows}\nlonely\n"))
    lines = str(caught.value).splitlines()
    assert len(lines) == 10
    assert (lines[3], lines[7]) == ("… and 96 more rows like that", "… and 196 more rows like that")
