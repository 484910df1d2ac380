from pathlib import Path

import pytest

from gateway.config import settings
from gateway.errors import SettingsError


def config(folder: Path, text: str) -> Path:
    path = folder / "gateway.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config(tmp_path, "port: 1\nmetrics_port: 1\ndeadline_ms: 1\n")
    monkeypatch.setenv("ROUTERDC_PORT", "2")
    monkeypatch.setenv("ROUTERDC_METRICS_PORT", "2")
    chosen = settings.load(path, {"port": "3"})
    assert (chosen.port, chosen.metrics_port, chosen.deadline_ms, chosen.host) == (3, 2, 1.0, "127.0.0.1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("deadline_ms: 0", "deadline_ms: .*greater than 0"),
        ("deadline_s: 1", "deadline_s: Extra"),
        ("port: many", "port: .*integer"),
        ("max_batch_queries: 5000", "max_batch_queries must be at most half of max_in_flight"),
        ("port: [", "not YAML"),
        ("port: 1\nport: 2", r"port: appears twice \(line 2\)"),
        ("- port", "not a YAML mapping"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings.load(config(tmp_path, text))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        settings.load(tmp_path / "nowhere.yaml")


def test_settings_cannot_be_changed_and_all_are_documented() -> None:
    chosen = settings.load()
    with pytest.raises(ValueError, match="frozen"):
        chosen.port = 1  # type: ignore[misc]
    assert not [name for name, field in settings.Settings.model_fields.items() if not field.description]


def test_what_kubernetes_writes_into_the_environment_of_pods_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    links = {
        "ROUTERDC_PORT": "tcp://10.0.0.1:50051",
        "ROUTERDC_PORT_50051_TCP_ADDR": "10.0.0.1",
        "ROUTERDC_SERVICE_HOST": "10.0.0.1",
        "ROUTERDC_SERVICE_PORT": "50051",
        "ROUTERDC_METRICS_PORT": "tcp://10.0.0.2:9464",
    }
    for name, value in links.items():
        monkeypatch.setenv(name, value)
    chosen = settings.load()
    assert (chosen.port, chosen.metrics_port) == (50051, 9464)
