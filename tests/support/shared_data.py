"""Where tests find the scored queries that are not part of the repository, and what they do without them."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared" / "data"
ROUTERDC = SHARED / "routerdc"

needs_routerdc = pytest.mark.skipif(
    not ROUTERDC.is_dir(), reason="the paper's scored queries are not here (../shared/data/routerdc)"
)
