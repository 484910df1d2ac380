"""The receipt of a round: what went in, what came out, and what was decided. It holds hashes and figures, no prompt."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from routerdc_contract.whole_file import write_whole


class Receipt:
    """A JSON file that is written again after every step, so that a round that breaks off leaves one as well."""

    def __init__(self, path: Path) -> None:
        """Begins the receipt."""
        self._path = path
        self._content: dict[str, Any] = {"begun": _now(), "decision": "unfinished"}
        self.note()

    def note(self, **facts: Any) -> None:
        """Adds facts."""
        self._content |= facts
        self._content["written"] = _now()
        write_whole(self._path, json.dumps(self._content, indent=2, sort_keys=True) + "\n")


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
