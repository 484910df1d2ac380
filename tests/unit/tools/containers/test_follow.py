import os
import sys
from pathlib import Path

import pytest

from tools.containers.containerfile import Containerfile
from tools.containers.follow import Image, StepError, follow, running

TEXT = """
FROM python:3.11 AS build
WORKDIR /opt/app
COPY tool ./
RUN mkdir -p /opt/bin && cp tool /opt/bin/tool && echo built > /opt/bin/note
RUN python -c "print('the base image has a Python')"

FROM python:3.11
COPY --from=build /opt/bin /opt/bin
ENV PATH=/opt/bin:$PATH GREETING=hello
HEALTHCHECK --interval=5s CMD ["tool", "health"]
ENTRYPOINT ["tool"]
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    tool = folder / "tool"
    tool.write_text('#!/bin/sh\necho "$GREETING $1"\n')
    tool.chmod(0o755)
    return folder


def built(text: str, context: Path, tmp_path: Path) -> Image:
    path = tmp_path / "Containerfile"
    path.write_text(text)
    return follow(Containerfile.read(path), None, context, tmp_path / "root", Path(sys.executable), None)


def test_only_what_was_copied_into_the_last_stage_is_in_the_image(context: Path, tmp_path: Path) -> None:
    image = built(TEXT, context, tmp_path)
    files = {str(p.relative_to(image.root)) for p in image.root.rglob("*") if p.is_file()}
    assert files == {"opt/bin/tool", "opt/bin/note"}
    assert image.size_bytes() == sum((image.root / file).stat().st_size for file in files)


def test_the_entrypoint_runs_with_the_images_environment_only(
    context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREETING", "from outside")
    image = built(TEXT, context, tmp_path)
    log = tmp_path / "log"
    assert running(image, ["world"], log).wait(10) == 0
    assert log.read_text() == "hello world\n"
    assert image.health == ["tool", "health"]


def test_a_step_that_fails_is_named_with_its_output(context: Path, tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"RUN echo oops.*\n.*oops"):
        built("FROM python:3.11\nWORKDIR /opt/app\nRUN echo oops && false\n", context, tmp_path)


def test_an_entrypoint_that_is_not_on_the_path_is_noticed(context: Path, tmp_path: Path) -> None:
    image = built('FROM python:3.11\nENTRYPOINT ["nowhere-to-be-found"]\n', context, tmp_path)
    with pytest.raises(StepError, match="nowhere-to-be-found"):
        image.command()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_as_root_it_runs_as_the_images_user(context: Path, tmp_path: Path) -> None:
    image = built(TEXT, context, tmp_path)
    for folder in (tmp_path, *image.root.rglob("*"), image.root):
        folder.chmod(0o755)
    image.user = 10001
    image.entrypoint = ["id", "-u"]
    if any(not parent.stat().st_mode & 0o001 for parent in tmp_path.parents):
        pytest.skip("the temporary folder is closed to other users")
    log = tmp_path / "log"
    assert running(image, [], log).wait(10) == 0
    assert log.read_text().strip() == "10001"


def test_a_package_of_the_virtual_environment_is_found(context: Path, tmp_path: Path) -> None:
    image = built(TEXT, context, tmp_path)
    (image.root / "opt/venv/lib/python3.11/site-packages/torch").mkdir(parents=True)
    assert image.has_package("torch")
    assert not image.has_package("numpy")
