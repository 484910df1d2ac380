"""The gateway's decision log, read back: JSON Lines, one line a decision (docs/how-to/operate.md).

This module knows the lines, not the gateway that writes them: fields that evaluation has no use for are ignored.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from routerdc.data.formats.rows import DataError

HASH_BYTES = 16


def query_hash(text: str) -> str:
    """What stands for a query in the log: BLAKE2b with `HASH_BYTES`, of the UTF-8 text, as 32 hexadecimal digits."""
    return blake2b(text.encode(), digest_size=HASH_BYTES).hexdigest()


class LoggedDecision(BaseModel):
    """One line. `total_ms`: milliseconds in the gateway; `token_count`: 0 or null where nothing was scored.

    The text of a query is hashed as it is read: nothing here holds or shows it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)
    time: AwareDatetime
    query_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    text_hash: Annotated[str, AfterValidator(query_hash)] | None = Field(default=None, validation_alias="question")
    llm: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]
    token_count: Annotated[int, Field(ge=0)] | None = None
    truncated: bool = False
    bundle_id: str | None = None
    total_ms: Annotated[float, Field(ge=0)]

    @property
    def key(self) -> str:
        """The hash by which the query is found: of its text where the log has it."""
        return self.text_hash or self.query_hash


@dataclass(frozen=True)
class BadLine:
    """A line that cannot be used, and why."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


@dataclass
class ReadLog:
    """All usable lines of all files, and the others."""

    decisions: list[LoggedDecision] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)


def read_log(paths: Iterable[Path]) -> ReadLog:
    """Reads log files in order. Empty lines mean nothing; a log that is being written may end in half a line.

    Raises:
        DataError: a file cannot be read, or no line of all files is usable.
    """
    log = ReadLog()
    for path in paths:
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    if line.strip():
                        _read_line(log, path, number, line)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from None
    if not log.decisions:
        raise DataError("\n".join([*map(str, log.bad[:1]), f"no usable decision ({len(log.bad)} bad lines)"]))
    return log


def _read_line(log: ReadLog, path: Path, number: int, line: bytes) -> None:
    try:
        log.decisions.append(LoggedDecision.model_validate_json(line))
    except ValidationError as error:
        log.bad.append(BadLine(path, number, _reason(error)))


def _reason(error: ValidationError) -> str:
    """Every fault with its field; never the input, which may be a prompt."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(": ".join([*map(str, fault["loc"]), fault["msg"]]) for fault in faults)
