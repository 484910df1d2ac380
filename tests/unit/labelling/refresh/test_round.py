"""A round of `routerdc refresh`: its commands are played, its split, gate and receipt are real."""

import errno
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from labelling.errors import RefreshError
from labelling.refresh import round as rounds
from labelling.refresh.config import Publish, RefreshConfig, read_config
from labelling.refresh.round import bundle_in_use, refresh
from labelling.store.store import Store
from tests.integration.labelling.test_gate import always

BUNDLE = Path(__file__).parents[4] / "bundles" / "default"


class Commands:
    """Plays the commands: `grade` writes a table in which "good" is right, `train` leaves a bundle."""

    def __init__(self, store: Path, failing: str = "", raising: Mapping[str, BaseException] | None = None) -> None:
        self.store, self.failing, self.raising = store, failing, raising or {}
        self.called: list[list[str]] = []
        self.then: dict[str, Callable[[], object]] = {}
        self.fails_after: dict[str, str] = {}

    def __call__(self, arguments: Sequence[str]) -> int:
        called = [Path(arguments[0]).name, *arguments[1:]]
        self.called.append(called)
        name = called[1] if called[0] == "routerdc" else called[0]
        if name == "grade":
            rows = ({"question": f"question {i}", "scores": {"good": 1.0, "bad": i % 2}} for i in range(400))
            Path(arguments[-1]).write_text("".join(json.dumps(row) + "\n" for row in rows))
        if name == "train":
            shutil.copytree(BUNDLE, arguments[-1], ignore=shutil.ignore_patterns("engine", "graph"))
        if name in self.raising:
            raise self.raising[name]
        self.then.get(name, lambda: None)()
        failed = name == self.failing
        self.failing = self.fails_after.get(name, self.failing)
        return int(failed)

    @property
    def names(self) -> list[str]:
        return [called[1] if called[0] == "routerdc" else called[0] for called in self.called]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RefreshConfig:
    (log := tmp_path / "decisions.jsonl").write_text('{"question": "Why?"}\n')
    with Store(tmp_path / "labels.db"):
        pass
    monkeypatch.setattr(rounds, "of_bundle", lambda folder: always(0 if "round-" in str(folder) else 1))
    return RefreshConfig(
        prompts=(log,), endpoints=tmp_path / "endpoints.yaml", store=tmp_path / "labels.db",
        grade=("--reference", "exact"),
        bundle=BUNDLE, folder=tmp_path / "refresh", max_usd=5,
    )  # fmt: skip


def receipt(config: RefreshConfig, number: int = 1) -> dict[str, object]:
    content: dict[str, object] = json.loads((config.folder / f"round-{number:04}" / "receipt.json").read_text())
    return content


def test_a_better_bundle_is_used_from_then_on_and_the_receipt_says_why(config: RefreshConfig) -> None:
    assert refresh(config, commands := Commands(config.store)) == "accepted"
    assert commands.names == ["collect", "grade", "train"]
    assert bundle_in_use(config) == (config.folder / "round-0001" / "bundle").resolve()
    kept = receipt(config)
    assert kept["decision"] == "accepted"
    assert kept["spent_usd"] == 0
    assert kept["gate"]["difference"] > 0.3  # type: ignore[index]
    assert {"prompts", "table", "train_rows", "held_out_rows", "in_use", "new"} <= kept.keys()
    assert "Why?" not in json.dumps(kept)
    assert "--max-usd" in commands.called[0]


def test_prompts_pass_the_hook_and_what_fails_unforeseen_is_in_the_receipt(
    config: RefreshConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> None:
        raise KeyError("Why?")

    monkeypatch.setattr(rounds, "load", broken)
    commands = Commands(config.store)
    with pytest.raises(KeyError):
        refresh(config.model_copy(update={"redact": "hook.py:clean"}), commands)
    collect = commands.called[0]
    assert collect[collect.index("--redact") + 1] == "hook.py:clean"
    assert (receipt(config)["decision"], receipt(config)["reason"]) == ("failed", "KeyError")


def test_a_worse_bundle_changes_nothing(config: RefreshConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "of_bundle", lambda folder: always(1 if "round-" in str(folder) else 0))
    assert refresh(config, Commands(config.store)) == "refused"
    assert bundle_in_use(config) == BUNDLE
    assert receipt(config)["decision"] == "refused"


def test_what_is_not_well_after_publishing_is_rolled_back(config: RefreshConfig) -> None:
    published = config.model_copy(update={"publish": Publish(repository=config.folder), "watch": ("watch",)})
    assert refresh(published, commands := Commands(config.store, failing="watch")) == "rolled back"
    assert commands.names[3:] == ["export", "export", "publish", "watch", "publish"]
    assert commands.called[-1][2].endswith("build-in-use/model_repository")
    assert bundle_in_use(config) == BUNDLE


@pytest.mark.parametrize("error", [FileNotFoundError, KeyboardInterrupt, SystemExit])
def test_a_watch_that_comes_to_no_end_puts_the_old_bundle_back(
    config: RefreshConfig, error: type[BaseException]
) -> None:
    published = config.model_copy(update={"publish": Publish(repository=config.folder), "watch": ("watch",)})
    with pytest.raises(error):
        refresh(published, commands := Commands(config.store, raising={"watch": error()}))
    assert commands.called[-1][2].endswith("build-in-use/model_repository")
    assert bundle_in_use(config) == BUNDLE


def test_a_disk_that_is_full_after_publishing_puts_the_old_bundle_back(
    config: RefreshConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(rounds, "_use", full)
    with pytest.raises(OSError, match="No space"):
        refresh(
            config.model_copy(update={"publish": Publish(repository=config.folder)}), commands := Commands(config.store)
        )
    assert commands.called[-1][2].endswith("build-in-use/model_repository")


def test_what_cannot_be_put_back_is_said(config: RefreshConfig) -> None:
    published = config.model_copy(update={"publish": Publish(repository=config.folder), "watch": ("watch",)})
    commands = Commands(config.store, failing="watch")
    commands.fails_after["watch"] = "publish"
    with pytest.raises(RefreshError, match=r"new bundle still serves.*build-in-use"):
        refresh(published, commands)


def test_a_failure_is_told_where_the_receipt_cannot_be_written(
    config: RefreshConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    commands = Commands(config.store, failing="collect")
    commands.then["collect"] = lambda: monkeypatch.setattr("labelling.refresh.receipt.write_whole", full)
    with pytest.raises(RefreshError, match="collect"):
        refresh(config, commands)


def test_what_stays_well_is_published(config: RefreshConfig) -> None:
    published = config.model_copy(update={"publish": Publish(repository=config.folder), "watch": ("watch",)})
    assert refresh(published, Commands(config.store)) == "published"
    assert bundle_in_use(config) != BUNDLE


@pytest.mark.parametrize("step", ["collect", "grade", "train"])
def test_a_step_that_fails_leaves_a_receipt_and_the_bundle_in_use(config: RefreshConfig, step: str) -> None:
    with pytest.raises(RefreshError, match=step):
        refresh(config, Commands(config.store, failing=step))
    assert receipt(config)["decision"] == "failed"
    assert step in str(receipt(config)["reason"])
    assert bundle_in_use(config) == BUNDLE


def test_prompts_that_are_not_there_are_named(config: RefreshConfig, tmp_path: Path) -> None:
    missing = config.model_copy(update={"prompts": (tmp_path / "gone.jsonl",)})
    with pytest.raises(RefreshError, match=r"prompts: .*gone\.jsonl: cannot be read: No such file"):
        refresh(missing, Commands(config.store))
    assert receipt(config)["decision"] == "failed"


def test_a_wrong_file_is_named_with_its_field(tmp_path: Path) -> None:
    (path := tmp_path / "refresh.yaml").write_text(
        "prompts: [a]\nendpoints: e\ngrade: [--code]\nbundle: b\nshares: 1\n"
    )
    with pytest.raises(RefreshError, match=r"refresh\.yaml: shares"):
        read_config(path)
