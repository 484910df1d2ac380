from pathlib import Path

import pytest

from tests.support.containerfile import Containerfile

TEXT = """
# a comment
ARG BASE=python:3.11
ARG HOST=
FROM ${HOST}${BASE} AS build
ENV A=1 B="two words"
RUN pip install \\
    # not this
    one two
COPY a b c/

FROM $BASE
COPY --from=build /x /x
ENTRYPOINT ["run", "--flag"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Containerfile:
    path = tmp_path / "Containerfile"
    path.write_text(TEXT)
    return Containerfile.read(path)


def test_arguments_are_put_into_bases(file: Containerfile) -> None:
    assert [stage.base for stage in file.stages] == ["python:3.11", "python:3.11"]
    assert [stage.name for stage in file.stages] == ["build", "1"]


def test_continued_lines_are_one_instruction_without_the_comments_between(file: Containerfile) -> None:
    [run] = file.stage("build").all("RUN")
    assert run.value == "pip install one two"
    assert run.line == 7


def test_values_are_read_as_the_instruction_means_them(file: Containerfile) -> None:
    assert file.stage("build").all("ENV")[0].pairs == {"A": "1", "B": "two words"}
    entrypoint = file.stage().last("ENTRYPOINT")
    assert entrypoint is not None
    assert entrypoint.words == ["run", "--flag"]


def test_a_stage_needs_those_it_copies_from(file: Containerfile) -> None:
    assert [stage.name for stage in file.needed(file.stage())] == ["build", "1"]
    assert file.needed(file.stage("build")) == [file.stage("build")]


def test_an_instruction_before_from_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Containerfile").write_text("RUN true\nFROM python:3.11\n")
    with pytest.raises(ValueError, match="before FROM"):
        Containerfile.read(tmp_path / "Containerfile")
