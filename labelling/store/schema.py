"""The tables of the store, and how its file is opened."""

import os
import sqlite3
from pathlib import Path

from labelling.errors import StoreError

VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS prompts (
    key TEXT PRIMARY KEY, messages TEXT NOT NULL, question TEXT NOT NULL, reference TEXT, domain TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, prompt TEXT NOT NULL REFERENCES prompts (key), llm TEXT NOT NULL, model TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('asked', 'answered', 'missing')), reason TEXT, text TEXT,
    prompt_tokens INTEGER, answer_tokens INTEGER, latency_ms REAL, cost_usd REAL, attempts INTEGER,
    reserved_usd REAL NOT NULL DEFAULT 0, lost_usd REAL NOT NULL DEFAULT 0, at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_prompt ON answers (prompt, llm, at);
CREATE TABLE IF NOT EXISTS grades (
    answer TEXT NOT NULL REFERENCES answers (key), grader TEXT NOT NULL, score REAL, reason TEXT, at REAL NOT NULL,
    PRIMARY KEY (answer, grader)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS steered (prompt TEXT PRIMARY KEY REFERENCES prompts (key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spending (what TEXT PRIMARY KEY, usd REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS agreements (grader TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;
"""


def connect(path: Path) -> sqlite3.Connection:
    """Opens the store, made if need be; only its owner can read it (0600).

    What is committed survives the end of the process, kill -9 included; a power failure may cost the last answers.

    Raises:
        StoreError: not a store, or of another version.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version not in (0, VERSION):
            raise StoreError(f"{path}: a store of version {version}, this program reads {VERSION}")
        connection.executescript(_TABLES)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened: {error.strerror}") from None
    except sqlite3.OperationalError as error:  # of the disk, not of what is on it
        raise StoreError(f"{path}: cannot be used: {error}: is the disk full, or read-only?") from None
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path}: not a store: {error}") from None
    return connection
