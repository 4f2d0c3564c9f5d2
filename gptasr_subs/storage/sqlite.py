"""SQLite databases that several processes share."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PAUSE = 0.01  # seconds between two tries


def open_database(path: Path, schema: str, patience: float) -> sqlite3.Connection:
    """Return the database at ``path`` with the tables of ``schema``; folders are made.

    Another process that writes is waited for, up to ``patience`` seconds. Every statement is a
    transaction of its own, on disk as far as a killed process is concerned. Raises
    ``sqlite3.Error`` and ``OSError``.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = sqlite3.connect(path, timeout=patience, isolation_level=None)
    until = time.monotonic() + patience
    while True:
        try:
            database.executescript(schema)
            return database
        except sqlite3.OperationalError as error:
            # SQLite itself does not wait where two turn a new file to WAL
            if "locked" not in str(error) or time.monotonic() > until:
                database.close()
                raise
        time.sleep(_PAUSE)


@contextmanager
def transaction(database: sqlite3.Connection, execute: Callable[[str], object]) -> Iterator[None]:
    """Write all that the block writes, or nothing; ``execute`` runs a statement on ``database``.

    What is read inside cannot be changed by others before it is written.
    """
    execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.rollback()
        raise
    execute("COMMIT")
