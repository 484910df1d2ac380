"""The Containerfiles against deploy/versions.yaml, pyproject.toml, the source tree and the settings of the gateway."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from deploy.local.triton.server import NOT_OVER_HTTP
from gateway.config.settings import ENV_PREFIX, Settings, fields
from tests.support.containerfile import Containerfile, Stage

ROOT = Path(__file__).parents[4]
FOLDER = ROOT / "deploy/containers"
SIZES = yaml.safe_load((FOLDER / "sizes.yaml").read_text())
FILES = {path.stem: Containerfile.read(path) for path in sorted(FOLDER.glob("*.Containerfile"))}
VERSIONS = yaml.safe_load((ROOT / "deploy/versions.yaml").read_text())
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
INTERFACE = VERSIONS["image_interface"]
IGNORED = (ROOT / ".containerignore").read_text().splitlines()

# Every stage that is an image of its own: (file, target).
IMAGES = [(name, None) for name in FILES if name != "exporter"] + [("exporter", "cpu"), ("exporter", "tensorrt")]


def stage_of(name: str, target: str | None) -> Stage:
    return FILES[name].stage(target)


@pytest.fixture(params=IMAGES, ids=lambda image: "-".join(filter(None, image)))
def image(request: pytest.FixtureRequest) -> tuple[str, Stage]:
    name, target = request.param
    return name, stage_of(name, target)


def test_there_is_a_file_for_every_image_that_manifests_name() -> None:
    assert {f"routerdc-{name}" for name in FILES} == set(VERSIONS["images"]["names"])


def test_the_tag_is_the_projects_version() -> None:
    assert VERSIONS["images"]["tag"] == PYPROJECT["project"]["version"]


def test_the_label_has_the_version_and_the_name(image: tuple[str, Stage]) -> None:
    name, stage = image
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in stage.labels.items()}
    suffix = "-tensorrt" if stage.name == "tensorrt" else ""
    assert labels["version"] == VERSIONS["images"]["tag"] + suffix
    assert labels["title"] == f"routerdc-{name}"
    assert labels["description"]
    assert "Apache-2.0" in labels["licenses"]


def test_every_base_is_pinned_as_versions_yaml_has_it() -> None:
    bases = {stage.base for file in FILES.values() for stage in file.stages}
    known = {VERSIONS["base_images"][name] for name in ("python", "tritonserver", "tensorrt")}
    assert bases == known
    assert not [base for base in bases if ":" not in base or base.endswith(":latest")]


def test_nothing_runs_as_root(image: tuple[str, Stage]) -> None:
    user = image[1].last("USER")
    assert user is not None
    assert user.value == f"{INTERFACE['user']}:{INTERFACE['user']}"
    after = [i.name for i in image[1].instructions if i.line > user.line]
    assert "RUN" not in after
    assert "COPY" not in after


def test_the_entrypoint_is_what_manifests_expect(image: tuple[str, Stage]) -> None:
    entrypoint = image[1].last("ENTRYPOINT")
    assert entrypoint is not None
    assert entrypoint.words == INTERFACE["entrypoints"][f"routerdc-{image[0]}"]


def test_it_says_how_its_health_is_seen(image: tuple[str, Stage]) -> None:
    name, stage = image
    health = stage.last("HEALTHCHECK")
    if name == "exporter" and stage.name == "tensorrt":
        return  # NVIDIA's image has none, and an export runs once
    assert health is not None
    assert (health.value == "NONE") is (name in {"exporter", "loadtest"})


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    for name, file in FILES.items():
        for stage in file.stages:
            for copy in stage.all("COPY"):
                *sources, _ = copy.words
                if sources[0].startswith("--from="):
                    assert sources[0].removeprefix("--from=") in {other.name for other in file.stages}
                    continue
                for source in sources:
                    assert (ROOT / source).exists(), f"{name}:{copy.line}"
                    assert f"!{source.partition('/')[0]}" in IGNORED, (
                        f"{name}:{copy.line}: {source} is not in .containerignore"
                    )


def test_extras_that_are_installed_exist() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    named = {
        extra
        for file in FILES.values()
        for stage in file.stages
        for run in stage.all("RUN")
        for group in re.findall(r"'\.\[([\w,-]+)\]'", run.value)
        for extra in group.split(",")
    }
    assert named
    assert named <= set(extras)


def test_every_installation_is_held_to_the_constraints() -> None:
    for name, file in FILES.items():
        for stage in file.stages:
            environment = " ".join(i.value for i in stage.instructions if i.name == "ENV")
            for run in stage.all("RUN"):
                if "pip install" in run.value:
                    assert "PIP_CONSTRAINT=/opt/routerdc/constraints.txt" in environment + run.value, (
                        f"{name}:{run.line}"
                    )


def test_packages_installed_by_name_are_pinned() -> None:
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for file in FILES.values():
        for run in (run for stage in file.stages for run in stage.all("RUN")):
            _, found, arguments = run.value.partition("pip install ")
            names = [word for word in arguments.split() if found and not word.startswith(("-", "'."))]
            assert {name.lower() for name in names} <= pinned


def test_the_gpu_image_has_what_the_model_imports_there() -> None:
    """Everything that the model's files import at their top, but what the image itself brings."""
    folder = ROOT / "model_repository/routerdc/1"
    siblings = {path.relative_to(folder).parts[0].removesuffix(".py") for path in folder.rglob("*.py")}
    imported = set()
    for path in folder.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    third_party = imported - siblings - set(sys.stdlib_module_names) - {"triton_python_backend_utils"}
    runs = " ".join(run.value for run in stage_of("triton-gpu", None).all("RUN"))
    only_elsewhere = {"onnxruntime", "openvino", "tensorrt_rtx_bindings", "cuda"}
    assert {name for name in third_party - only_elsewhere if name not in runs.split()} == set()


def test_the_gateway_listens_where_others_reach_it_by_a_setting_that_exists() -> None:
    stage = stage_of("gateway", None)
    variables = {name for env in stage.all("ENV") for name in env.pairs if name.startswith(ENV_PREFIX)}
    assert {name.removeprefix(ENV_PREFIX).lower() for name in variables} <= {name for _, name, _ in fields()}
    ports = {Settings().listen.port, Settings().listen.metrics_port}
    exposed = stage.last("EXPOSE")
    assert exposed is not None
    assert {int(port) for port in exposed.value.split()} == ports


def test_the_load_tests_locustfile_is_where_manifests_look_for_it() -> None:
    command = stage_of("loadtest", None).last("CMD")
    assert command is not None
    assert command.words == [f"--locustfile={INTERFACE['locustfile']}"]
    assert (ROOT / INTERFACE["locustfile"].removeprefix("/opt/routerdc/")).is_file()


@pytest.mark.parametrize("name", ["triton-cpu", "triton-gpu"])
def test_a_triton_without_arguments_changes_nothing_over_http(name: str) -> None:
    command = stage_of(name, None).last("CMD")
    assert command is not None
    assert [word.partition(":")[0] for word in command.words].count(f"--http-restricted-api={NOT_OVER_HTTP}") == 1


def test_the_shipped_bundle_is_in_the_exporter() -> None:
    assert (ROOT / INTERFACE["shipped_bundle"].removeprefix("/opt/routerdc/") / "manifest.json").is_file()
    assert "bundles" in [copy.words[0] for copy in FILES["exporter"].stage("build").all("COPY")]


def test_the_makefile_builds_every_image_with_that_tag() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for name in VERSIONS["images"]["names"]:
        assert f"-t {name}:$(VERSION)" in makefile


def test_docs_name_no_other_tag() -> None:
    tag = VERSIONS["images"]["tag"]
    allowed = {tag, f"{tag}-tensorrt"}
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/how-to/*.md"), *ROOT.glob("deploy/**/*.md")]:
        ours = "|".join(VERSIONS["images"]["names"])
        found = set(re.findall(rf"(?:{ours}):([\w.-]*\w)", path.read_text()))
        assert found <= allowed, path
        for base in VERSIONS["base_images"].values():
            repository = base.partition(":")[0]
            tags = set(re.findall(rf"{re.escape(repository)}:([\w.-]*\w)", path.read_text()))
            assert tags <= {base.partition(":")[2], "v1.40"}, path


def test_sizes_are_recorded_of_every_image_that_needs_no_gpu() -> None:
    assert {f"routerdc-{name}" for name in SIZES} == {name for name in VERSIONS["images"]["names"] if "gpu" not in name}
    assert SIZES["gateway"] == min(SIZES.values())


def test_the_page_about_images_has_the_sizes_that_were_recorded() -> None:
    page = (ROOT / "docs/how-to/containers.md").read_text()
    rows = re.findall(r"^\| `routerdc-([\w-]+)` \|.*\| (\d+) \|$", page, re.MULTILINE)
    assert {name: int(size) for name, size in rows} == SIZES
