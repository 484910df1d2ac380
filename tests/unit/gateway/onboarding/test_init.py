"""`routerdc init` writes a file that is right, of servers that answer."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.config import endpoints_file
from gateway.onboarding.init_command import init
from tests.unit.gateway.onboarding.conftest import Serve, llm_server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "endpoints.yaml"


def run(file: Path, *arguments: str, answers: str = "") -> Result:
    return CliRunner().invoke(init, [*arguments, "--out", str(file)], input=answers)


def test_two_servers_become_a_pool_with_comments(serve: Serve, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE_KEY", "k1")
    first, second = serve(llm_server(["org/one-7B", "shared"], key="k1")), serve(llm_server(["shared", "true"]))
    monkeypatch.setenv("TWO_KEY", "unused")
    result = run(
        file, "--endpoint", first, "--endpoint", f"{second}/", "--api-key-env", "ONE_KEY", "--api-key-env", "TWO_KEY"
    )
    assert result.exit_code == 0, result.output
    content = endpoints_file.read(file)
    assert list(content.llms) == ["org/one-7B", "shared", "true"]
    assert [endpoint.address for endpoint in content.llms["shared"].endpoints] == [first, second]
    assert content.llms["org/one-7B"].endpoints[0].api_key_env == "ONE_KEY"
    assert content.default == ("org/one-7B",)
    text = file.read_text()
    assert "k1" not in text
    assert text.count("#") > 8
    assert "routerdc gateway" in result.output
    for_programs = run(file, "--endpoint", second, "--force", "--json")
    assert [one["llm"] for one in json.loads(for_programs.output)["endpoints"]] == ["shared", "true"]


def test_a_person_is_asked_for_what_is_missing(serve: Serve, file: Path) -> None:
    url = serve(llm_server(["one"]))
    result = run(file, answers=f"not a url\n\n{url}\nNO_SUCH_VARIABLE\n{url}\n\n\n")
    assert result.exit_code == 0, result.output
    assert "must be a base URL" in result.output
    assert "NO_SUCH_VARIABLE is not set" in result.output
    assert list(endpoints_file.read(file).llms) == ["one"]


def test_only_the_wanted_models_in_their_order(serve: Serve, file: Path) -> None:
    url = serve(llm_server(["a", "b", "c"]))
    assert run(file, "--endpoint", url, "--model", "c", "--model", "a").exit_code == 0
    assert endpoints_file.read(file).default == ("c",)
    missing = run(file, "--endpoint", url, "--model", "d", "--force")
    assert missing.exit_code == 2
    assert "no server has it; they have a, b, c" in missing.output


def test_an_llm_that_does_not_answer_is_named_with_its_line(serve: Serve, file: Path) -> None:
    url = serve(llm_server(["well", "ill"], broken="ill"))
    result = run(file, "--endpoint", url)
    assert result.exit_code == 1
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "model: ill" in text) - 1
    assert f"{file}:{line}: ill: POST {url}/chat/completions answered 500" in result.output
    assert "out of memory" in result.output
    assert run(file, "--endpoint", url, "--no-call", "--force").exit_code == 0


def test_a_wrong_key_is_not_repeated(serve: Serve, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "secret-value")
    result = run(file, "--endpoint", serve(llm_server(["one"], key="right")), "--api-key-env", "A_KEY")
    assert result.exit_code == 1
    assert "answered 401: the key is wrong or missing" in result.output
    assert "secret-value" not in result.output
    assert not file.exists()


def test_a_file_is_not_replaced_unless_that_is_said(file: Path) -> None:
    file.write_text("mine")
    result = run(file, "--endpoint", "http://127.0.0.1:9/v1")
    assert result.exit_code == 2
    assert "--force" in result.output
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        (["--endpoint", "http://127.0.0.1:9/v1"], "cannot be reached"),
        (["--endpoint", "ftp://x"], "must be a base URL"),
        (["--endpoint", "http://x/v1", "--api-key-env", "sk-123"], "the name of a variable, not the key itself"),
        (["--endpoint", "http://x/v1", "--api-key-env", "A", "--api-key-env", "B"], "one for all endpoints"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_cure(file: Path, arguments: list[str], cure: str) -> None:
    result = run(file, *arguments)
    assert result.exit_code in (1, 2)
    assert cure in result.output
    assert not file.exists()
