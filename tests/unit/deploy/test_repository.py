"""What was published is what `routerdc serve` starts with again."""

import json
from pathlib import Path

import pytest

from deploy.local import command
from deploy.local.repository import published_bundle


def version(folder: Path, number: int, bundle_id: str) -> None:
    model = folder / "model_repository/routerdc" / str(number)
    model.mkdir(parents=True)
    (model / "router.json").write_text(json.dumps({"bundle_id": bundle_id, "llms": ["a"]}))


def test_an_export_alone_is_not_published(tmp_path: Path) -> None:
    assert published_bundle(tmp_path) is None
    version(tmp_path, 1, "first")
    assert published_bundle(tmp_path) is None


def test_the_last_version_is_in_use(tmp_path: Path) -> None:
    for number, bundle_id in ((9, "ninth"), (10, "tenth")):
        version(tmp_path, number, bundle_id)
    (tmp_path / "model_repository/routerdc/.11.draft").mkdir()
    assert published_bundle(tmp_path) == "tenth"


def test_serve_takes_what_was_published_and_says_how_to_leave_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exported: list[Path] = []

    def export(bundle: Path, *_: object) -> Path:
        exported.append(bundle)
        return tmp_path / "exported"

    monkeypatch.setattr(command, "export_bundle", export)
    assert command.repository_in_use(Path("bundles/mine"), tmp_path, None) == tmp_path / "exported"
    version(tmp_path, 2, "second")
    assert command.repository_in_use(Path("bundles/mine"), tmp_path, None) == tmp_path / "model_repository"
    assert exported == [Path("bundles/mine")]
    said = capsys.readouterr().err
    assert "bundle second" in said
    assert f"remove {tmp_path / 'model_repository'}" in said
