"""Settings of locust users: every one has a flag and a variable, and what cannot be used is named by its flag."""

from pathlib import Path

import pytest
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from loadtest.users.settings import LoadSettings, LoadSettingsError, add_arguments, settings_of


def environment(*flags: str) -> Environment:
    parser = LocustArgumentParser(default_config_files=[])
    add_arguments(parser)
    return Environment(parsed_options=parser.parse_args(list(flags)))


def test_without_flags_everything_has_its_default() -> None:
    assert settings_of(environment()) == LoadSettings()


def test_flags_are_read_and_converted(tmp_path: Path) -> None:
    queries = tmp_path / "mine.jsonl"
    queries.write_text('{"query": "hello"}')
    flags = ("--gateway-address=router:1", "--repeat-share=0.9", "--median-words=40", f"--queries={queries}")
    settings = settings_of(environment(*flags))
    assert settings.gateway_address == "router:1"
    assert (settings.repeat_share, settings.median_words, settings.queries) == (0.9, 40.0, queries)


def test_variables_of_the_environment_are_read_and_flags_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADTEST_GATEWAY_ADDRESS", "from-environment:1")
    monkeypatch.setenv("LOADTEST_BATCH_QUERIES", "3")
    settings = settings_of(environment("--batch-queries=5"))
    assert settings.gateway_address == "from-environment:1"
    assert settings.batch_queries == 5


@pytest.mark.parametrize(
    ("flag", "complaint"),
    [
        ("--repeat-share=1.1", "--repeat-share: .*less than or equal to 1.*'1.1'"),
        ("--deadline-ms=soon", "--deadline-ms: .*number.*'soon'"),
        ("--openai-url=ftp://x", "--openai-url"),
        ("--batch-queries=0", "--batch-queries"),
        ("--queries=/nowhere/at/all", "--queries: /nowhere/at/all: cannot be read"),
    ],
)
def test_settings_that_cannot_be_used_are_named_by_their_flag(flag: str, complaint: str) -> None:
    with pytest.raises(LoadSettingsError, match=complaint):
        settings_of(environment(flag))


def test_keys_are_hidden_from_locusts_web_page_and_from_logs() -> None:
    parser = LocustArgumentParser(default_config_files=[])
    add_arguments(parser)
    assert "api_key" in parser.secret_args_included_in_web_ui
    assert "s3cret" not in repr(settings_of(environment("--api-key=s3cret")))
