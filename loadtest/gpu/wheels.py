"""Packages for a machine without network, in pieces that fit through a narrow door.

    python -m loadtest.gpu.wheels fetch FOLDER NAME==VERSION...   here: downloads wheels and cuts them into pieces
    python -m loadtest.gpu.wheels install FOLDER VENV             there: joins the pieces, installs beside what is there

A piece is at most `--piece-mib` large, so that each transfer can take one or a few; `install` needs all of them. The
environment that it makes sees the packages of the Python that runs it, too (torch, for example).
"""

import shutil
import site
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click

# pip takes none but those that are named; glibc 2.35 is that of Ubuntu 22.04.
_PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (35, 34, 31, 28, 27, 24, 17, 12, 5)] + ["manylinux2014_x86_64"]


@click.group()
def main() -> None:
    """Packages for a machine without network."""


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("requirements", nargs=-1, required=True)
@click.option("--python-version", default="3.12", show_default=True, help="Of the machine there.")
@click.option("--piece-mib", default=60, show_default=True)
def fetch(folder: Path, requirements: tuple[str, ...], python_version: str, piece_mib: int) -> None:
    """Downloads REQUIREMENTS, without what they need, into pieces in FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
    options = ["--no-deps", "--only-binary=:all:", "--python-version", python_version, "--implementation", "cp"]
    with TemporaryDirectory() as downloads:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", *options, *platforms, "--dest", downloads]
        if subprocess.run([*pip, *requirements]).returncode:
            raise click.ClickException("pip could not download them all")
        for wheel in sorted(Path(downloads).iterdir()):
            cut(wheel, folder, piece_mib << 20)
    for piece in sorted(folder.iterdir()):
        click.echo(f"{piece.stat().st_size >> 20:4} MiB  {piece.name}")


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("environment", type=click.Path(file_okay=False, path_type=Path))
def install(folder: Path, environment: Path) -> None:
    """Joins the pieces in FOLDER and installs all wheels into the new ENVIRONMENT."""
    venv.create(environment, with_pip=False, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(environment)}))
    (packages / "beside.pth").write_text("\n".join(site.getsitepackages()) + "\n", encoding="utf-8")
    with TemporaryDirectory() as wheels:
        for wheel in joined(folder, Path(wheels)):
            options = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--upgrade", "--target", str(packages)]
            subprocess.run([sys.executable, "-m", "pip", "install", *options, str(wheel)], check=True)
    click.echo(environment / "bin/python")


def cut(file: Path, folder: Path, piece_bytes: int) -> None:
    """Copies `file` to `folder` in pieces: NAME.000, NAME.001 and so on."""
    with file.open("rb") as source:
        for number in range(-(-file.stat().st_size // piece_bytes)):
            (folder / f"{file.name}.{number:03}").write_bytes(source.read(piece_bytes))


def joined(folder: Path, wheels: Path) -> Iterator[Path]:
    """The files that `cut` took apart, made again in `wheels`."""
    for name in sorted({piece.stem for piece in folder.glob("*.whl.[0-9][0-9][0-9]")}):
        with (wheels / name).open("wb") as target:
            for piece in sorted(folder.glob(f"{name}.[0-9][0-9][0-9]")):
                with piece.open("rb") as source:
                    shutil.copyfileobj(source, target)
        yield wheels / name


if __name__ == "__main__":
    main()
