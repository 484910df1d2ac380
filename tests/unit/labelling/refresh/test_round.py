"""A round of `routerdc refresh`: its commands are played, its split, gate and receipt are real."""

import json
import shutil
from collections.abc import Sequence
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

    def __init__(self, store: Path, failing: str = "") -> None:
        self.store, self.failing = store, failing
        self.called: list[list[str]] = []

    def __call__(self, arguments: Sequence[str]) -> int:
        called = [Path(arguments[0]).name, *arguments[1:]]
        self.called.append(called)
        name = called[1] if called[0] == "routerdc" else called[0]
        if name == "grade":
            rows = ({"question": f"question {i}", "scores": {"good": 1.0, "bad": i % 2}} for i in range(400))
            Path(arguments[-1]).write_text("".join(json.dumps(row) + "\n" for row in rows))
        if name == "train":
            shutil.copytree(BUNDLE, arguments[-1], ignore=shutil.ignore_patterns("engine", "graph"))
        return int(name == self.failing)

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


def test_a_wrong_file_is_named_with_its_field(tmp_path: Path) -> None:
    (path := tmp_path / "refresh.yaml").write_text(
        "prompts: [a]\nendpoints: e\ngrade: [--code]\nbundle: b\nshares: 1\n"
    )
    with pytest.raises(RefreshError, match=r"refresh\.yaml: shares"):
        read_config(path)
