"""YAML files become models; whatever is wrong is named with its file, field and line."""

import re
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from routerdc.data.formats.rows import DataError
from routerdc.data.loading import load_all
from routerdc.training.recipe import RecipeError, load_recipe
from routerdc_contract.yaml_model import NotYamlError, YamlError, load_yaml, load_yaml_model


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    weight: int = Field(1, gt=0)


def short(name: str) -> str:
    if len(name) > 9:
        raise ValueError("write at most 9 letters")
    return name


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, AfterValidator(short)] = "unnamed"
    parts: list[Part] = []
    needed: Annotated[tuple[Part, ...], Field(min_length=1)] = (Part(),)
    named: dict[str, Part] = {}
    maybe: Part | None = None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.yaml"


def test_a_file_becomes_its_model(file: Path) -> None:
    file.write_text("\ufeffname: a\nparts: [{weight: 2}]\n", encoding="utf-8")
    assert load_yaml_model(Whole, file) == Whole(name="a", parts=[Part(weight=2)])


def test_an_empty_file_sets_nothing(file: Path) -> None:
    file.write_text("# nothing yet\n")
    assert load_yaml_model(Whole, file) == Whole()
    assert load_yaml(file) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nparts:\n- weight: 1\n- weight: 0\n", "parts.1.weight: Input should be greater than 0 (line 4)"),
        ("name: a\nnamed:\n  x: {weight: many}\n", "named.x.weight: a whole number is needed, not text (line 3)"),
        ("name: a\n\nother: 1\n", "other: there is no such field; there is name, parts, needed, named, maybe (line 3)"),
        ("- name\n", "file: fields are needed, not a list"),
        ("nmae: a\n", "nmae: there is no such field; did you mean name? (line 1)"),
        ("named:\n  x: {wieght: 1}\n", "named.x.wieght: there is no such field; did you mean weight? (line 2)"),
        ("parts:\n- {wieght: 1}\n", "parts.0.wieght: there is no such field; did you mean weight? (line 2)"),
        ("maybe: {wieght: 1}\n", "maybe.wieght: there is no such field; did you mean weight? (line 1)"),
        ("needed: a\n", "needed: a list is needed, not text: put it in [ ] (line 1)"),
        ("name: 5\n", "name: text is needed, not a number: put it in quotes (line 1)"),
        ("name: yes\n", "name: text is needed, not true or false: put it in quotes (line 1)"),
        ("named:\n  x:\n", "named.x: fields are needed, not nothing (line 2)"),
        ("parts: [{weight: 1.5}]\n", "parts.0.weight: a whole number is needed, not a fraction (line 1)"),
        ("name: a\nname: b\n", "not YAML: name: appears twice (line 2)"),
        ("named:\n  x: {weight: 1}\n  x: {weight: 2}\n", "not YAML: x: appears twice (line 3)"),
        ("name: [a\n", "not YAML: "),
        ("name: 2001-99-99\n", "not YAML: "),
    ],
)
def test_what_is_wrong_is_named_with_its_place(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(YamlError, match=re.escape(message)) as error:
        load_yaml_model(Whole, file)
    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "whole_message"),
    [
        ("name: far too long\n", "name: write at most 9 letters (line 1)"),
        ("needed: [{weight: 0}]\n", "needed.0.weight: Input should be greater than 0 (line 1)"),
        ("needed: []\n", "needed: at least 1 are needed, not 0 (line 1)"),
    ],
)
def test_a_fault_is_said_once_and_in_our_own_words(file: Path, text: str, whole_message: str) -> None:
    """Where the one endpoint of an LLM was refused, the message went on: "should have at least 1 item, not 0"."""
    file.write_text(text)
    with pytest.raises(YamlError) as error:
        load_yaml_model(Whole, file)
    assert str(error.value) == f"{file}: {whole_message}"


def test_one_slip_in_every_entry_is_no_wall_of_text(file: Path) -> None:
    file.write_text("parts: [" + ", ".join(["{weight: 0}"] * 40) + "]\n")
    with pytest.raises(YamlError) as error:
        load_yaml_model(Whole, file)
    assert str(error.value).count("parts.") == 5
    assert str(error.value).endswith("; and 35 more")


def test_a_file_that_is_not_there_or_not_utf8_is_named(file: Path) -> None:
    with pytest.raises(YamlError, match="cannot be read: No such file"):
        load_yaml_model(Whole, file)
    file.write_bytes(b"name: caf\xe9\n")
    with pytest.raises(YamlError, match="not UTF-8 at byte 9"):
        load_yaml_model(Whole, file)


def test_a_sidecar_and_a_recipe_refuse_equal_keys(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text('[{"question": "q", "scores": {"a": 1}}]')
    (tmp_path / "data.yaml").write_text("name: a\nname: b\n")
    with pytest.raises(DataError, match=r"data\.yaml: not YAML: name: appears twice"):
        load_all([tmp_path / "data.json"])
    (tmp_path / "recipe.yaml").write_text("base: default\nseed: 1\nseed: 2\n")
    with pytest.raises(RecipeError, match=r"recipe\.yaml: not YAML: seed: appears twice"):
        load_recipe(str(tmp_path / "recipe.yaml"))


def test_the_line_of_a_broken_file_is_known(file: Path) -> None:
    file.write_text("name: a\nparts: ]\n")
    with pytest.raises(NotYamlError) as error:
        load_yaml(file)
    assert error.value.line == 2
