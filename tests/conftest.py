"""The order of the files: what may take longest begins first, so that no process waits for another at the end.

Tests run side by side, at least one process for each core, so numeric libraries compute in one thread each, here and in
the commands that tests start: threads of several processes on the same cores wait for each other, and busily.

What is imported while tests are collected stays to the end: Python's garbage collector need not look at it again.
"""

import gc
import os
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest

pytest_plugins = ["tests.support.real_triton"]

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # read when numpy, torch and tokenizers are imported, which is later


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules of torch and others are millions of objects: each full collection would walk through them for 0.3 s."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a test whose time limit is above the usual come first, the longest limit foremost."""
    limits = defaultdict[Path, float](float)
    for item in items:
        if marker := item.get_closest_marker("timeout"):
            limits[item.path] = max(limits[item.path], marker.args[0])
    items.sort(key=lambda item: limits[item.path], reverse=True)
