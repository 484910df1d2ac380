"""Follows every Containerfile that builds on Python, and lets what it made work together, without a container engine.

    make check-containers

Exporter → model repository → Triton → gateway → locust: each part is started by its image's entrypoint, in its image's
environment, and (where this is root, as in CI) as its image's user. Writes what each image adds to its base image.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import click
import yaml
from rich.console import Console
from rich.table import Table

from deploy.local.ports import claim
from routerdc_contract.bundle import Manifest
from tools.containers.containerfile import Containerfile
from tools.containers.follow import Image, StepError, follow, running

ROOT = Path(__file__).parents[2]
CONTAINERFILES = ROOT / "deploy/containers"
SIZES = CONTAINERFILES / "sizes.yaml"
TARGETS = {"exporter": "cpu", "triton-cpu": None, "gateway": None, "loadtest": None}
UNWANTED = ("torch", "transformers", "tensorflow", "pip")
QUERY = "Which planet has the most moons?"
_START_SECONDS = 120.0


class CheckError(click.ClickException):
    """An image does not do what it is for."""


@click.command()
@click.option("--python", type=click.Path(exists=True, path_type=Path), default=None, help="Stands in for the base's.")
@click.option("--out", type=click.Path(path_type=Path), default=SIZES, show_default=True)
def main(python: Path | None, out: Path) -> None:
    """Builds and starts every image that needs no GPU, as far as that goes without a container engine."""
    python = python or _python()
    user = 10001 if os.geteuid() == 0 and not python.resolve().is_relative_to(Path.home()) else None
    with tempfile.TemporaryDirectory(prefix="routerdc-images-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            images = {image: _built(image, folder, python, user) for image in TARGETS}
            _work_together(images, folder, stack)
        except StepError as error:
            raise CheckError(str(error)) from None
        sizes = {name: round(image.size_bytes() / 1e6) for name, image in images.items()}
    out.write_text(
        "# make check-containers: MB that each image adds to its base image, before compression.\n"
        + yaml.safe_dump(sizes, sort_keys=False)
    )
    table = Table("image", "MB over its base", title=f"user {user or 'this one'}, {python}")
    for image, size in sizes.items():
        table.add_row(image, str(size))
    Console().print(table)


def _python() -> Path:
    """One that the image's user may run, where there is one."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    system = Path("/usr/bin") / version
    return system if system.exists() else Path(sys.executable).resolve()


def _built(name: str, folder: Path, python: Path, user: int | None) -> Image:
    click.echo(f"{name}: following its steps …", err=True)
    file = Containerfile.read(CONTAINERFILES / f"{name}.Containerfile")
    image = follow(file, TARGETS[name], ROOT, folder / name, python, user)
    if found := [package for package in UNWANTED if image.has_package(package)]:
        raise CheckError(f"{name}: has {', '.join(found)}")
    return image


def _work_together(images: dict[str, Image], folder: Path, stack: ExitStack) -> None:
    models, ports = _models(images["exporter"], folder), {name: claim(0, name, name) for name in _PORTS}
    triton = ["--model-repository=" + str(models), "--model-control-mode=explicit", "--load-model=*"]
    # Where tritonserver looks by itself is /opt/tritonserver/backends, which lies elsewhere here.
    triton.append(f"--backend-directory={images['triton-cpu'].root}/opt/tritonserver/backends")
    triton += ["--disable-auto-complete-config", "--strict-readiness=true", "--allow-gpu-metrics=false"]
    triton += [f"--{name}-port={ports[name]}" for name in ("http", "grpc", "metrics")]
    stack.enter_context(_started("triton-cpu", images, folder, triton, {":8000/": f":{ports['http']}/"}))
    gateway = [f"--endpoints-file={_endpoints(folder)}", f"--triton-address=127.0.0.1:{ports['grpc']}"]
    gateway += [f"--port={ports['gateway']}", f"--metrics-port={ports['gateway_metrics']}"]
    stack.enter_context(_started("gateway", images, folder, gateway, {":9464/": f":{ports['gateway_metrics']}/"}))
    _route(images["gateway"], ports["gateway"])
    _load(images["loadtest"], ports["gateway"])


_PORTS = ("http", "grpc", "metrics", "gateway", "gateway_metrics")


def _models(exporter: Image, folder: Path) -> Path:
    """A model repository of the shipped bundle, written to a volume as the image's user."""
    volume = folder / "models"
    volume.mkdir(mode=0o777)
    volume.chmod(0o777)
    bundle = exporter.root / "opt/routerdc/bundles/default"
    _wait("exporter", running(exporter, [f"--bundle={bundle}", f"--out={volume}"], folder / "exporter.log"), folder)
    return volume / "model_repository"


def _endpoints(folder: Path) -> Path:
    names = Manifest.read(ROOT / "bundles/default").llm_names
    llms = {name: {"endpoints": [{"address": "http://127.0.0.1:9/v1", "model": name}]} for name in names}
    file = folder / "endpoints.yaml"
    file.write_text(yaml.safe_dump({"default": names[:1], "llms": llms}))
    return file


@contextmanager
def _started(
    name: str, images: dict[str, Image], folder: Path, arguments: list[str], ports: dict[str, str]
) -> Iterator[None]:
    """The image's service, from its health check's first success on."""
    image, log = images[name], folder / f"{name}.log"
    health = list(image.health)
    for default, chosen in ports.items():
        health = [word.replace(default, chosen) for word in health]
    process = running(image, arguments, log)
    try:
        due = time.monotonic() + _START_SECONDS
        while not _healthy(replace(image, entrypoint=health)):
            if process.poll() is not None or time.monotonic() > due:
                raise CheckError(f"{name}: not healthy\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.3)
        yield
        process.terminate()
        if status := process.wait(30):
            raise CheckError(f"{name}: ended with status {status} at SIGTERM\n{log.read_text()[-2000:]}")
    finally:
        process.kill()
        process.wait()


def _healthy(image: Image) -> bool:
    """Whether the HEALTHCHECK says so."""
    return subprocess.run(image.command(), env=image.environment, capture_output=True, check=False).returncode == 0


def _route(gateway: Image, port: int) -> None:
    """The gateway's image asks its own gateway."""
    route = replace(
        gateway, entrypoint=["routerdc", "route", QUERY, f"--address=127.0.0.1:{port}", "--deadline-ms=5000"]
    )
    done = subprocess.run(route.command(), env=gateway.environment, capture_output=True, text=True, check=False)
    if done.returncode or "fallback" in done.stdout.lower():
        raise CheckError(f"gateway: did not route\n{done.stdout}{done.stderr}")
    click.echo(done.stdout, err=True)


def _load(loadtest: Image, port: int) -> None:
    locustfile = loadtest.root / "opt/routerdc/loadtest/locustfile.py"
    arguments = [f"--locustfile={locustfile}", "--headless", "--only-summary", "--users=2", "--spawn-rate=2"]
    arguments += ["--run-time=5s", "--stop-timeout=5", "RouteUser"]
    image = replace(loadtest, environment=loadtest.environment | {"LOADTEST_GATEWAY_ADDRESS": f"127.0.0.1:{port}"})
    log = loadtest.root.with_name("loadtest.log")
    _wait("loadtest", running(image, arguments, log), log.parent)
    click.echo(log.read_text()[-1500:], err=True)


def _wait(name: str, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    if process.wait(300):
        raise CheckError(f"{name}: ended with {process.returncode}\n{(folder / f'{name}.log').read_text()[-2000:]}")


if __name__ == "__main__":
    main()
