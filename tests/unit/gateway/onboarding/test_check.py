"""`routerdc check` names file, line and cure."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.onboarding.check_command import check
from tests.unit.gateway.onboarding.conftest import Serve, llm_server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "endpoints.yaml"


def run(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(check, [str(file), *arguments])


def written(file: Path, url: str, model: str = "one", extra: str = "") -> None:
    file.write_text(
        f"default: [a.b]\nllms:\n  a.b:\n    endpoints:\n      - address: {url}\n        model: {model}\n{extra}"
    )


def test_a_file_whose_endpoints_answer_is_well(serve: Serve, file: Path) -> None:
    written(file, serve(llm_server(["one"])))
    for arguments in ([], ["--call"], ["--offline"]):
        result = run(file, *arguments)
        assert result.exit_code == 0, result.output
        assert "1 LLMs, 1 endpoints; all is well" in result.output


def test_the_file_alone_has_no_table_of_endpoints(file: Path) -> None:
    written(file, "http://127.0.0.1:9/v1")
    assert run(file, "--offline").output == f"{file}: 1 LLMs, 1 endpoints; all is well\n"
    assert json.loads(run(file, "--offline", "--json").stdout)["endpoints"] == []


def test_a_copied_entry_that_was_not_changed_is_named(file: Path) -> None:
    entry = "endpoints: [{address: 'http://127.0.0.1:9/v1', model: one}]"
    file.write_text(f"default: [a]\nllms:\n  a: {{{entry}}}\n  b:\n    {entry}\n")
    result = run(file, "--offline")
    assert result.exit_code == 0
    said = f"{file}:5: b: has the address and the model of an endpoint of a"
    assert f"{said}: correct one, or take it out\n" in result.stderr
    assert json.loads(run(file, "--offline", "--json").stdout)["alike"] == [said]


def test_one_model_with_other_parameters_is_another_llm(file: Path) -> None:
    entry = "endpoints: [{address: 'http://127.0.0.1:9/v1', model: one}]"
    effort = "parameters: {reasoning_effort: high}"
    file.write_text(f"default: [a]\nllms:\n  a: {{{entry}}}\n  b: {{{entry}, {effort}}}\n")
    assert run(file, "--offline").stderr == ""


def test_a_model_that_the_server_has_not_is_named_with_what_it_has(serve: Serve, file: Path) -> None:
    written(file, serve(llm_server(["one", "two"])), model="tow")
    result = run(file)
    assert result.exit_code == 1
    assert f"{file}:5: a.b: has no model 'tow'; it has one, two: correct `model`" in result.output


def test_findings_are_json_for_programs(serve: Serve, file: Path) -> None:
    written(file, serve(llm_server(["one"])), model="other")
    result = run(file, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["ok"] is False
    assert found["endpoints"][0]["line"] == 5


def test_an_answer_is_asked_for_only_with_call(serve: Serve, file: Path) -> None:
    written(file, serve(llm_server(["one"], broken="one")))
    assert run(file).exit_code == 0
    assert "answered 500" in run(file, "--call").output


def test_a_variable_that_is_not_set_is_named(serve: Serve, file: Path) -> None:
    written(file, serve(llm_server(["one"])), extra="        api_key_env: NOT_SET_HERE\n")
    assert "the variable NOT_SET_HERE is not set here" in run(file).output


def test_an_address_that_lacks_its_path_gets_the_hint(serve: Serve, file: Path) -> None:
    written(file, serve(llm_server(["one"])).removesuffix("/v1"))
    result = run(file)
    assert "answered 404" in result.output
    assert "mostly want" in result.output


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "default: [b]\nllms: {a: {endpoints: [{address: 'http://x/v1', model: m}]}}\n",
            "default: b: not among llms (a)",
        ),
        ("default: [a]\nllms:\n  a:\n    endpoints:\n      - adress: x\n        model: m\n", "(line 5)"),
        ("default: [a\n", "not YAML"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(file: Path, text: str, problem: str) -> None:
    file.write_text(text)
    result = run(file, "--offline")
    assert result.exit_code == 1
    assert str(file) in result.output
    assert problem in result.output


def test_a_missing_file_is_named(file: Path) -> None:
    assert "cannot be read" in run(file).output
