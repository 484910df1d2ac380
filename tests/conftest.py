"""The order of the files: what may take longest begins first, so that no process waits for another at the end."""

from collections import defaultdict
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a test whose time limit is above the usual come first, the longest limit foremost."""
    limits = defaultdict[Path, float](float)
    for item in items:
        if marker := item.get_closest_marker("timeout"):
            limits[item.path] = max(limits[item.path], marker.args[0])
    items.sort(key=lambda item: limits[item.path], reverse=True)
