"""Public data sets come from any mirror with GitHub's layout: here from a local server and from a folder."""

import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from routerdc.data import fetch as fetching
from routerdc.data.command import data
from routerdc.data.fetch import FetchError, SourceFile, SourceSet, fetch, sources
from routerdc.data.loading import load_all
from tests.support.data.public import DATA

ROWS = b'[{"question": "q", "scores": {"a": 1}}]'
CSV = (
    b",sample_id,prompt,eval_name,a/b,c,c|model_response,a/b|model_response,c|total_cost,a/b|total_cost,oracle\n"
    b"0,x,\"['What, really?', 'again']\",mbpp,1.0,0.0,\"['yes']\",\"['no']\",0.002,0.5,c\n"
    b"1,y,['Two'],mbpp,,1.0,,,0.001,,c\n"
)


def file(path: str, source: str, content: bytes, convert: str | None = None) -> SourceFile:
    fields = {"path": path, "source": source, "sha256": hashlib.sha256(content).hexdigest(), "convert": convert}
    return SourceFile.model_validate(fields)


SET = SourceSet(
    about="a set",
    licence="MIT",
    files=(
        file("train/one.json", "owner/repo/c0ffee/one.json", ROWS),
        file("bench.jsonl", "owner/repo/c0ffee/a b.csv", CSV, "routerbench"),
    ),
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parameter of the base class
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    (folder / "owner/repo/c0ffee").mkdir(parents=True)
    (folder / "owner/repo/c0ffee/one.json").write_bytes(ROWS)
    (folder / "owner/repo/c0ffee/a b.csv").write_bytes(CSV)
    return folder


@pytest.fixture
def url(mirror: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(mirror)))
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def fetched(folder: Path, mirror: str) -> list[bool]:
    return [new for _, new in fetch("set", SET, folder, mirror)]


def test_a_set_comes_from_a_server_once(url: str, tmp_path: Path) -> None:
    assert fetched(tmp_path / "data", url) == [True, True]
    assert fetched(tmp_path / "data", url) == [False, False]
    assert (tmp_path / "data/set/train/one.json").read_bytes() == ROWS


def test_a_set_comes_from_a_folder_and_can_be_read(mirror: Path, tmp_path: Path) -> None:
    fetched(tmp_path / "data", str(mirror))
    datasets = load_all([tmp_path / "data/set"])
    assert sorted(len(dataset) for dataset in datasets) == [1, 2]


def test_routerbench_rows_keep_question_scores_and_costs(mirror: Path, tmp_path: Path) -> None:
    fetched(tmp_path / "data", str(mirror))
    lines = (tmp_path / "data/set/bench.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"question": "What, really?", "scores": {"a/b": 1.0, "c": 0.0}, "costs": {"a/b": 0.5, "c": 0.002}},
        {"question": "Two", "scores": {"c": 1.0}, "costs": {"c": 0.001}},
    ]


@pytest.mark.parametrize("path", ["train/one.json", "bench.jsonl"])
def test_a_file_that_was_changed_is_fetched_again(mirror: Path, tmp_path: Path, path: str) -> None:
    fetched(tmp_path / "data", str(mirror))
    before = (tmp_path / "data/set" / path).read_bytes()
    (tmp_path / "data/set" / path).write_bytes(before[:-1])
    assert fetched(tmp_path / "data", str(mirror)).count(True) == 1
    assert (tmp_path / "data/set" / path).read_bytes() == before


def test_another_file_is_refused_and_nothing_is_written(mirror: Path, url: str, tmp_path: Path) -> None:
    (mirror / "owner/repo/c0ffee/one.json").write_bytes(ROWS + b"\n")
    with pytest.raises(FetchError, match=r"one\.json: SHA-256 is .*, expected .*--mirror"):
        fetched(tmp_path / "data", url)
    assert not list((tmp_path / "data").rglob("*"))


def test_a_mirror_without_the_file_or_that_does_not_answer_is_named(mirror: Path, url: str, tmp_path: Path) -> None:
    (mirror / "owner/repo/c0ffee/one.json").unlink()
    for source in (url, str(mirror), "http://127.0.0.1:1"):
        with pytest.raises(FetchError, match=r"one\.json: cannot be read: .*--mirror"):
            fetched(tmp_path / "data", source)


def test_the_command_fetches_what_is_named(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "sources", lambda: {"set": SET, "other": SET})
    arguments = ["fetch", "set", "--out", str(tmp_path / "data"), "--mirror", str(mirror)]
    result = CliRunner().invoke(data, arguments)
    assert result.exit_code == 0, result.output
    assert result.output.count(" fetched") == 2
    assert "licence: MIT" in result.output
    again = json.loads(CliRunner().invoke(data, [*arguments, "--json"]).output)
    assert [file["fetched"] for file in again["files"]] == [False, False]
    assert not (tmp_path / "data/other").exists()
    wrong = CliRunner().invoke(data, ["fetch", "nothing"])
    assert wrong.exit_code == 2
    assert "no such data set; there are set, other" in wrong.output


def test_the_list_of_sources_pins_every_file_to_a_commit() -> None:
    known = sources()
    assert known.keys() == {"routerdc", "routerbench", "pool9"}
    for data_set in known.values():
        assert all(len(file.source.split("/")[2]) == 40 for file in data_set.files)


@pytest.mark.skipif(not DATA.is_dir(), reason="the public data sets are not here")
def test_what_is_here_is_what_the_list_names() -> None:
    for name, data_set in sources().items():
        for file in data_set.files:
            if file.convert is None and (DATA / name).is_dir():
                assert hashlib.sha256((DATA / name / file.path).read_bytes()).hexdigest() == file.sha256
