"""Which files a folder of data holds, and how each is read. Nothing that looks like data is passed over in silence."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from routerdc.data.formats.csv_reader import read_csv
from routerdc.data.formats.json_reader import read_json, read_jsonl
from routerdc.data.formats.parquet_reader import read_parquet
from routerdc.data.formats.rows import DataError, Reader, Row

READERS: dict[str, Reader] = {
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".parquet": read_parquet,
}
PACKED = ".gz"
SIDECARS = (".yaml", ".yml")
_UNREADABLE = {".7z", ".arrow", ".avro", ".bz2", ".db", ".feather", ".orc", ".pkl", ".sqlite", ".tar", ".xls", ".xlsx"}
_UNREADABLE |= {".xz", ".zip", ".zst", PACKED}


def format_of(path: Path) -> str | None:
    """The format's suffix, such as ".jsonl" for `a.jsonl.gz`; None where the file cannot be read."""
    name = path.name.lower()
    packed = name.endswith(PACKED)
    suffix = Path(name.removesuffix(PACKED)).suffix
    return suffix if suffix in READERS and not (packed and suffix == ".parquet") else None


def stem_of(path: Path) -> str:
    """The file's name without format and packing."""
    name = path.name[: -len(PACKED)] if path.name.lower().endswith(PACKED) else path.name
    return Path(name).stem


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file, in order.

    Raises:
        DataError: no such file, an unknown format, or damage after which no further row can be found.
    """
    if (suffix := format_of(path)) is None:
        raise DataError(
            f"{path}: unknown format {path.suffix!r}: use one of {', '.join(READERS)}, or .gz of a text format"
        )
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    yield from READERS[suffix](path)


def files_of(path: Path) -> list[Path]:
    """`path` itself, or all data files below the folder `path`, in order of their names.

    Raises:
        DataError: there is none, or the folder holds files that look like data and cannot be read.
    """
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.is_file() and not _hidden(file.relative_to(path)))
    files = [file for file in found if format_of(file)]
    if unreadable := [file for file in found if not format_of(file) and file.suffix.lower() in _UNREADABLE]:
        names = ", ".join(str(file) for file in unreadable[:5])
        raise DataError(f"{path}: cannot read {names}: convert them, or name the files that you mean")
    if not files:
        raise DataError(f"{path}: no data file in this folder ({', '.join(READERS)})")
    stems = {file.parent / stem_of(file) for file in files}
    if orphans := [file for file in found if file.suffix.lower() in SIDECARS and file.with_suffix("") not in stems]:
        raise DataError(
            f"{orphans[0]}: describes no data file beside it: rename it like its data file, or move it away"
        )
    return files


def all_files(sources: Iterable[str | Path]) -> list[Path]:
    """The data files of all `sources`.

    Raises:
        DataError: as `files_of`; or a file is named twice.
    """
    files = [file for source in sources for file in files_of(Path(source))]
    seen: set[Path] = set()
    for file in files:
        if (real := file.resolve()) in seen:
            raise DataError(f"{file}: named twice: its rows would count double")
        seen.add(real)
    return files


def sidecar_of(path: Path) -> Path | None:
    """The file beside `path` that says what its rows do not; None where there is none.

    Raises:
        DataError: there are two.
    """
    there = [side for suffix in SIDECARS if (side := path.with_name(stem_of(path) + suffix)).is_file()]
    if len(there) > 1:
        raise DataError(f"{there[0]} and {there[1]}: keep one of them")
    return there[0] if there else None


def _hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)
