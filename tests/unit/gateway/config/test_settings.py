from pathlib import Path

import pytest

from gateway.config import reference, settings
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
    assert (chosen.listen.port, chosen.listen.metrics_port) == (3, 2)
    assert (chosen.deadlines.deadline_ms, chosen.listen.host) == (1.0, "127.0.0.1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("deadline_ms: 0", "deadline_ms: .*greater than 0"),
        ("deadline_s: 1", "deadline_s: no such setting; did you mean deadline_ms?"),
        ("port: many", "port: a whole number is needed, not text"),
        ("max_batch_queries: 5000", "max_batch_queries must be at most half of max_in_flight"),
        ("port: [", "not YAML"),
        ("port: 1\nport: 2", r"port: appears twice \(line 2\)"),
        ("- port", "not a YAML mapping"),
        ("listen: {port: 1}", "listen: not a setting; write the settings of this group without it"),
        ("otlp_endpoint: collector:4317", "otlp_endpoint: String should match"),
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
        chosen.listen.port = 1  # type: ignore[misc]
    assert not [name for _, name, field in settings.fields() if not field.description]


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
    assert (chosen.listen.port, chosen.listen.metrics_port) == (50051, 9464)


def test_a_misspelt_variable_is_told_with_the_nearest_name() -> None:
    variables = {
        "ROUTERDC_DEADLIN_MS": "5",
        "ROUTERDC_COLOUR": "red",
        "ROUTERDC_DEADLINE_MS": "5",
        "ROUTERDC_CONFIG": "gateway.yaml",
        "ROUTERDC_API_KEY": "secret",
        "ROUTERDC_SERVICE_HOST": "10.0.0.1",
        "ROUTERDC_TRITON_PORT_8001_TCP_ADDR": "10.0.0.2",
        "PATH": "/bin",
    }
    assert settings.unknown_variables(variables) == [
        "ROUTERDC_COLOUR is no setting",
        "ROUTERDC_DEADLIN_MS is no setting; did you mean ROUTERDC_DEADLINE_MS?",
    ]


def test_every_setting_has_one_name_and_one_group() -> None:
    names = [name for _, name, _ in settings.fields()]
    assert len(names) == len(set(names))
    assert not set(names) & settings.Settings.model_fields.keys()


def test_settings_can_be_changed_by_name_into_new_ones_that_are_checked() -> None:
    before = settings.Settings().changed(port=0, deadline_ms=50)
    after = before.changed(port=7)
    assert (before.listen.port, after.listen.port, after.deadlines.single_seconds) == (0, 7, 0.05)
    with pytest.raises(ValueError, match="greater than 0"):
        before.changed(deadline_ms=0)


def test_the_reference_page_is_current() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "run python -m gateway.config.reference"
