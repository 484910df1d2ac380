import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.app.reload import Reloader
from gateway.app.source import Source
from gateway.errors import BundleMismatchError, EndpointsError, FileHangsError
from gateway.telemetry.metrics import Metrics
from tests.support.waiting import until

INTERVAL_SECONDS = 0.02


def read_word(path: Path) -> str:
    try:
        word = path.read_text(encoding="utf-8")
    except OSError:
        raise EndpointsError("gone") from None
    if word.startswith("bad"):
        raise EndpointsError(f"{word} is no good")
    return word


def put(path: Path, word: str | None) -> None:
    path.unlink() if word is None else path.write_text(word)


def outcomes(metrics: Metrics, outcome: str) -> float:
    return metrics.registry.get_sample_value("routerdc_reloads_total", {"file": "word", "outcome": outcome}) or 0.0


def is_good(metrics: Metrics) -> bool:
    return metrics.registry.get_sample_value("routerdc_last_reload_successful", {"file": "word"}) == 1


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "word"
    path.write_text("one")
    return path


Watched = Callable[[Path], Any]


@pytest.fixture
def watched(metrics: Metrics) -> Watched:
    @asynccontextmanager
    async def _watched(path: Path) -> AsyncIterator[tuple[Source[str], list[str]]]:
        reloader, used = Reloader(metrics, timeout_seconds=0.5), list[str]()
        source = reloader.source("word", [path], lambda: read_word(path))
        source.on_change(used.append)
        async with reloader.watching(INTERVAL_SECONDS):
            yield source, used

    return _watched


async def test_a_file_that_does_not_change_is_read_once(watched: Watched, file: Path, metrics: Metrics) -> None:
    async with watched(file) as (source, used):
        await asyncio.sleep(INTERVAL_SECONDS * 5)
        assert (source.content, used, outcomes(metrics, "ok"), is_good(metrics)) == ("one", [], 0, True)


async def test_new_content_is_used_once(watched: Watched, file: Path, metrics: Metrics) -> None:
    async with watched(file) as (source, used):
        put(file, "two!")
        await until(lambda: used)
        await asyncio.sleep(INTERVAL_SECONDS * 5)
        assert (source.content, used, outcomes(metrics, "ok")) == ("two!", ["two!"], 1)


async def test_kubernetes_swap_of_a_symbolic_link_is_a_change(watched: Watched, tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}/word").write_text(version)
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "word").symlink_to("..data/word")
    async with watched(tmp_path / "word") as (_, used):
        (tmp_path / "..data_tmp").symlink_to("..two")
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")
        await until(lambda: used == ["two"])


async def test_what_is_refused_leaves_the_old_content_and_is_told_once(
    watched: Watched, file: Path, metrics: Metrics, events: list[MutableMapping[str, Any]]
) -> None:
    async with watched(file) as (source, used):
        put(file, "bad word")
        await until(lambda: outcomes(metrics, "refused"))
        await asyncio.sleep(INTERVAL_SECONDS * 5)
        assert (source.content, used, outcomes(metrics, "refused"), is_good(metrics)) == ("one", [], 1, False)
        assert [event["problem"] for event in events] == ["bad word is no good"]
        put(file, "bad again")
        await until(lambda: outcomes(metrics, "refused") == 2)
        put(file, "two")
        await until(lambda: used == ["two"])
        assert is_good(metrics)


@pytest.mark.parametrize("half", ["half", "bad half"])
async def test_what_changes_while_it_is_read_is_neither_used_nor_refused(
    metrics: Metrics, file: Path, half: str
) -> None:
    def read() -> str:
        try:
            return read_word(file)
        finally:
            if file.read_text() == half:
                put(file, "whole")

    reloader, used = Reloader(metrics, timeout_seconds=0.5), list[str]()
    reloader.source("word", [file], read).on_change(used.append)
    async with reloader.watching(INTERVAL_SECONDS):
        put(file, half)
        await until(lambda: used)
    assert (used, outcomes(metrics, "refused"), outcomes(metrics, "ok")) == (["whole"], 0, 1)


async def test_a_file_that_is_gone_is_a_refusal_until_it_is_back(
    watched: Watched, file: Path, metrics: Metrics
) -> None:
    async with watched(file) as (source, used):
        put(file, None)
        await until(lambda: outcomes(metrics, "refused"))
        assert source.content == "one"
        put(file, "back")
        await until(lambda: used == ["back"])


async def test_a_content_refused_by_its_user_is_tried_again_without_another_change(
    watched: Watched, file: Path, metrics: Metrics
) -> None:
    fits = False

    def use(word: str) -> None:
        if not fits:
            raise BundleMismatchError("not yet")

    async with watched(file) as (source, _):
        source.on_change(use)
        put(file, "two")
        await until(lambda: outcomes(metrics, "refused"))
        assert source.content == "one"
        fits = True
        await until(lambda: source.content == "two")
        assert (outcomes(metrics, "refused"), outcomes(metrics, "ok"), is_good(metrics)) == (1, 1, True)


async def test_sighup_reads_again_at_once_what_has_not_changed(file: Path, metrics: Metrics) -> None:
    reloader, used = Reloader(metrics, timeout_seconds=0.5), list[str]()
    reloader.source("word", [file], lambda: read_word(file)).on_change(used.append)
    async with reloader.watching(3600):
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: used == ["one"])


async def test_a_defect_in_one_source_does_not_stop_the_watching(file: Path, metrics: Metrics) -> None:
    def fail(word: str) -> None:
        raise ZeroDivisionError

    reloader, used = Reloader(metrics, timeout_seconds=0.5), list[str]()
    reloader.source("broken", [file], lambda: read_word(file)).on_change(fail)
    reloader.source("word", [file], lambda: read_word(file)).on_change(used.append)
    async with reloader.watching(INTERVAL_SECONDS):
        put(file, "two")
        await until(lambda: used == ["two"])
        put(file, "three")
        await until(lambda: used == ["two", "three"])


def replace_by_fifo(path: Path) -> None:
    fifo = path.with_name("fifo")
    os.mkfifo(fifo)
    fifo.rename(path)


def replace_by_file(path: Path, word: str) -> None:
    other = path.with_name("replacement")
    other.write_text(word)
    other.rename(path)


async def test_a_file_that_hangs_is_told_and_the_others_go_on(file: Path, metrics: Metrics, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("one")
    reloader, used = Reloader(metrics, timeout_seconds=0.1), list[str]()
    reloader.source("word", [file], lambda: read_word(file))
    reloader.source("other", [other], lambda: read_word(other)).on_change(used.append)
    async with reloader.watching(INTERVAL_SECONDS):
        replace_by_fifo(file)
        await until(lambda: reloader.hanging("word"))
        assert (is_good(metrics), reloader.hanging("other")) == (False, None)
        put(other, "two")
        await until(lambda: used == ["two"])
        await asyncio.to_thread(file.write_text, "good")  # whoever waits for a writer goes on
        await until(lambda: reloader.hanging("word") is None)


async def test_the_file_that_replaces_one_that_hangs_is_read(file: Path, metrics: Metrics) -> None:
    reloader, used = Reloader(metrics, timeout_seconds=0.1), list[str]()
    reloader.source("word", [file], lambda: read_word(file)).on_change(used.append)
    async with reloader.watching(INTERVAL_SECONDS):
        replace_by_fifo(file)
        await until(lambda: reloader.hanging("word"))
        replace_by_file(file, "two")
        await until(lambda: used == ["two"])
        assert (is_good(metrics), reloader.hanging("word")) == (True, None)


def test_a_file_that_hangs_at_the_start_is_an_error(file: Path, metrics: Metrics) -> None:
    replace_by_fifo(file)
    with pytest.raises(FileHangsError, match=r"word: .*FIFO"):
        Reloader(metrics, timeout_seconds=0.1).source("word", [file], lambda: read_word(file))
