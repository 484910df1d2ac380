"""A quick share of `make fuzz` in every test run."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.entrances import ENTRANCES, Entrance

CASES = 60


@pytest.mark.parametrize("entrance", ENTRANCES, ids=lambda entrance: entrance.name)
def test_bad_input_is_the_callers_mistake(entrance: Entrance) -> None:
    @settings(
        max_examples=CASES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.data())
    def case(data: st.DataObject) -> None:
        entrance.check(data.draw(entrance.strategy))

    case()
