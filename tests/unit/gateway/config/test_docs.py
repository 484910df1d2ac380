"""docs/how-to/operate.md is held against what is really there."""

from pathlib import Path

import pytest

from gateway import errors
from gateway.config.settings import Settings
from gateway.telemetry.metrics import Metrics

OPERATE = (Path(__file__).parents[4] / "docs/how-to/operate.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_described_with_its_default(name: str) -> None:
    default = Settings.model_fields[name].default
    shown = "none" if default is None else f"{default}"
    assert f"| `{name}` | {shown} |" in OPERATE


def test_every_metric_is_described() -> None:
    families = [family.name for family in Metrics().registry.collect()]
    assert families
    assert not [name for name in families if f"| `{name}" not in OPERATE]


def test_every_cause_of_a_fallback_is_described() -> None:
    assert not [c.cause for c in errors.ScorerError.__subclasses__() if f"| `{c.cause}` |" not in OPERATE]
