"""Where tests find the public data sets, which are not part of the repository, and what they do without them.

`routerdc data fetch` puts them into data/; the variable ROUTERDC_DATA names another folder.
"""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("ROUTERDC_DATA") or Path(__file__).parents[3] / "data")
ROUTERDC = DATA / "routerdc"

needs_routerdc = pytest.mark.skipif(
    not ROUTERDC.is_dir(), reason="the paper's scored queries are not here: routerdc data fetch, or set ROUTERDC_DATA"
)
