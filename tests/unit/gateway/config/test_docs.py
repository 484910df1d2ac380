"""docs/how-to/operate.md is held against what is really there."""

from pathlib import Path

from gateway import errors
from gateway.telemetry.metrics import Metrics

OPERATE = (Path(__file__).parents[4] / "docs/how-to/operate.md").read_text(encoding="utf-8")


def test_every_metric_is_described() -> None:
    families = [family.name for family in Metrics().registry.collect()]
    assert families
    assert not [name for name in families if f"| `{name}" not in OPERATE]


def test_every_cause_of_a_fallback_is_described() -> None:
    assert not [c.cause for c in errors.ScorerError.__subclasses__() if f"| `{c.cause}` |" not in OPERATE]
