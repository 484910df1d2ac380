"""Which rows judge and which teach: told by the question alone, so that a row is on the same side in every round."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

HELD_OUT_PER_CENT = 20


@dataclass(frozen=True)
class Split:
    """The two files, and the rows in each."""

    train: Path
    held_out: Path
    train_rows: int
    held_out_rows: int


def split(table: Path, folder: Path) -> Split:
    """Writes train.jsonl and held_out.jsonl; the graders' agreement goes with both."""
    sides: dict[bool, list[str]] = {False: [], True: []}
    for line in table.read_text(encoding="utf-8").splitlines():
        sides[held_out(json.loads(line)["question"])].append(line)
    files = {False: folder / "train.jsonl", True: folder / "held_out.jsonl"}
    for side, file in files.items():
        file.touch(0o600)
        file.write_text("".join(f"{line}\n" for line in sides[side]), encoding="utf-8")
        if (sidecar := table.with_suffix(".yaml")).is_file():
            file.with_suffix(".yaml").write_text(sidecar.read_text(encoding="utf-8"), encoding="utf-8")
    return Split(files[False], files[True], len(sides[False]), len(sides[True]))


def held_out(question: str) -> bool:
    """Whether a row judges: one in five, by the hash of its question."""
    digest = hashlib.sha256(" ".join(question.casefold().split()).encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PER_CENT
