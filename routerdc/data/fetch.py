"""Fetches the public data sets that the documentation uses, each file checked against its SHA-256.

A mirror is a URL or a folder with the layout of raw.githubusercontent.com: OWNER/REPOSITORY/COMMIT/PATH.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

from pydantic import Field, TypeAdapter

from routerdc.data.routerbench import to_json_lines
from routerdc_contract.frozen import Frozen
from routerdc_contract.whole_file import write_whole
from routerdc_contract.yaml_model import load_yaml

SOURCES_FILE = Path(__file__).with_name("sources.yaml")
DEFAULT_MIRROR = "https://raw.githubusercontent.com"
_TIMEOUT_SECONDS = 60
_LARGEST_FILE_BYTES = 100 * 1024 * 1024

_CONVERTERS: dict[str, Callable[[bytes], bytes]] = {"routerbench": to_json_lines}


class FetchError(Exception):
    """A file could not be fetched, or is not the one that was measured; the message says which and what to do."""


class SourceFile(Frozen):
    """One file of a data set."""

    path: str
    """below the data set's folder"""
    source: str
    """below the mirror"""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """of the source"""
    convert: Literal["routerbench"] | None = None


class SourceSet(Frozen):
    """One data set."""

    about: str
    licence: str
    files: tuple[SourceFile, ...]


def sources() -> dict[str, SourceSet]:
    """The data sets that can be fetched, by name."""
    return TypeAdapter(dict[str, SourceSet]).validate_python(load_yaml(SOURCES_FILE))


def fetch(name: str, data_set: SourceSet, folder: Path, mirror: str = DEFAULT_MIRROR) -> Iterator[tuple[Path, bool]]:
    """Fetches one data set into `folder`/`name`; yields each file, and whether it was fetched just now.

    Files that were fetched before and stand unchanged are kept.

    Raises:
        FetchError: the mirror has no such file, does not answer, or has another file.
        OSError: the folder cannot be written.
    """
    for file in data_set.files:
        target = folder / name / file.path
        receipt = target.with_name(f".{target.name}.sha256")
        if _is_current(target, receipt, file):
            yield target, False
            continue
        content = _checked(file, mirror)
        content = _CONVERTERS[file.convert](content) if file.convert else content
        write_whole(target, content)
        if file.convert:
            write_whole(receipt, f"{file.sha256} {hashlib.sha256(content).hexdigest()}\n".encode())
        yield target, True


def _is_current(target: Path, receipt: Path, file: SourceFile) -> bool:
    """Whether the target is what an earlier fetch of the same source wrote."""
    if not target.is_file():
        return False
    written = hashlib.sha256(target.read_bytes()).hexdigest()
    if file.convert is None:
        return written == file.sha256
    return receipt.is_file() and receipt.read_text(encoding="ascii").split() == [file.sha256, written]


def _checked(file: SourceFile, mirror: str) -> bytes:
    content = _read(mirror, file.source)
    if (found := hashlib.sha256(content).hexdigest()) != file.sha256:
        raise FetchError(
            f"{mirror}: {file.source}: SHA-256 is {found}, expected {file.sha256}: "
            "the mirror has another file, or its download was cut; try again, or give another --mirror"
        )
    return content


def _read(mirror: str, source: str) -> bytes:
    try:
        if not mirror.startswith(("http://", "https://")):
            return (Path(mirror) / source).read_bytes()
        with urlopen(f"{mirror.rstrip('/')}/{quote(source)}", timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            content: bytes = answer.read(_LARGEST_FILE_BYTES + 1)
    except (URLError, OSError) as error:
        raise FetchError(f"{mirror}: {source}: cannot be read: {error}; --mirror names another source") from None
    if len(content) > _LARGEST_FILE_BYTES:
        raise FetchError(f"{mirror}: {source}: is larger than {_LARGEST_FILE_BYTES} bytes, so it is not the data")
    return content
