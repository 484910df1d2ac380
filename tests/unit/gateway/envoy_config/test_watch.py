"""The watcher: what it writes in which order, what stays for a while, what changes nothing."""

import errno
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.config.endpoints_file import Endpoint, EndpointsFile, Llm
from gateway.envoy_config.parts.dump import as_yaml
from gateway.envoy_config.watch import KEEP_SECONDS, Files, Watcher
from gateway.errors import EndpointsError
from gateway.pool.clusters import Cluster


class Pool:
    """An endpoints.yaml that is a list of names, and the time."""

    def __init__(self, folder: Path) -> None:
        self.file, self.folder, self.now = folder / "endpoints.yaml", folder / "watched", 0.0
        self.told: list[str] = []
        self.watcher = Watcher(self.file, self.read, self.render, as_yaml, self.told.append, clock=lambda: self.now)

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def read(self) -> EndpointsFile:
        if not self.file.is_file() or (text := self.file.read_text()) == "broken":
            raise EndpointsError("endpoints.yaml: no")
        names = text.split()
        endpoint = Endpoint(address="http://localhost:1/v1", model="m")
        return EndpointsFile(default=names[:1], llms={name: Llm(endpoints=[endpoint]) for name in names})

    def render(self, file: EndpointsFile, leaving: Sequence[Cluster]) -> Files:
        names = [*file.llms, *(cluster.llm for cluster in leaving)]
        routes = {"resources": [{"name": "openai", "of": names}]}
        clusters = {"resources": [{"name": name} for name in names]}
        return {self.folder / "clusters.yaml": clusters, self.folder / "routes.yaml": routes}

    def clusters(self) -> list[str]:
        text = (self.folder / "clusters.yaml").read_text()
        return [line.partition("name: ")[2] for line in text.splitlines() if "name: " in line]


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    pool = Pool(tmp_path)
    pool.write("a b")
    pool.watcher.look()
    return pool


def test_what_is_there_is_written(pool: Pool) -> None:
    assert pool.clusters() == ["a", "b"]


def test_a_change_is_written_once_and_clusters_come_before_routes(pool: Pool) -> None:
    files = [pool.folder / "clusters.yaml", pool.folder / "routes.yaml"]
    before = [file.stat().st_ino for file in files]
    pool.watcher.look()
    assert [file.stat().st_ino for file in files] == before
    pool.write("a b c")
    pool.watcher.look()
    assert pool.clusters() == ["a", "b", "c"]
    clusters, routes = (file.stat().st_mtime_ns for file in files)
    assert clusters < routes  # a route never names what is not there yet


def test_cluster_that_leaves_stays_for_a_while(pool: Pool) -> None:
    pool.write("b")
    pool.watcher.look()
    assert pool.clusters() == ["b", "a"]
    pool.now = KEEP_SECONDS - 1
    pool.watcher.look()
    assert pool.clusters() == ["b", "a"]
    pool.now = KEEP_SECONDS
    pool.watcher.look()
    assert pool.clusters() == ["b"]


def test_cluster_that_comes_back_is_there_once(pool: Pool) -> None:
    for text in ("b", "a b"):
        pool.write(text)
        pool.watcher.look()
    assert pool.clusters() == ["a", "b"]
    pool.now = KEEP_SECONDS
    pool.watcher.look()
    assert pool.clusters() == ["a", "b"]


@pytest.mark.parametrize("broken", ["broken", None])
def test_what_cannot_be_read_changes_nothing(pool: Pool, broken: str | None) -> None:
    pool.file.unlink()
    if broken:
        pool.write(broken)
    with pytest.raises(EndpointsError):
        pool.watcher.look()
    assert pool.clusters() == ["a", "b"]
    pool.watcher.look()  # told once
    pool.write("a b c")
    pool.watcher.look()
    assert pool.clusters() == ["a", "b", "c"]


def test_a_full_disk_is_told_once_and_what_could_not_be_written_is_written_when_there_is_room(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter(range(4))

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def after_a_look(_seconds: float) -> None:
        match next(looks):
            case 2:
                monkeypatch.undo()  # there is room
            case 3:
                raise KeyboardInterrupt

    pool.write("a b c")
    pool.told.clear()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(KeyboardInterrupt):
        pool.watcher.run(after_a_look)
    assert pool.clusters() == ["a", "b", "c"]
    assert [line.partition(":")[0] for line in pool.told] == ["Not written, and tried again", "Written"]
