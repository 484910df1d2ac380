"""What is imported while tests are collected stays to the end: Python's garbage collector need not look at it again."""

import gc
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules of torch and others are millions of objects: each full collection would walk through them for 0.3 s."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
