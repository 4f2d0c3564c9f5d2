"""What is recognised already, on disk: a run that was killed resumes, and new cues cost nothing.

A window is found again by the hash of its samples, together with what turned them into words: the
weights, the width of the search and a version of the results. So a copy or a renamed video is known
too, and what has changed in any way is not. A video that was finished is found by its size, time
and file number without being decoded at all.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.recognition.record import TABLES, Record, hash_of
from gptasr_subs.storage.files import MIB, file_stamp
from gptasr_subs.storage.folders import cache_folder
from gptasr_subs.storage.sqlite import open_database

LIMIT = 200 * MIB  # bytes; a video of two hours takes about four MiB

_log = logging.getLogger(__name__)
_SECONDS_TO_WAIT = 10.0  # for another process that writes
# Part of every key. Raise it with each change to decoding, segmentation or the model that may
# change words or times.
_RESULTS_VERSION = 2
# Journals of which it was said that they cannot be used; once is enough
_reported: set[Path | None] = set()
_SCHEMA = """
PRAGMA auto_vacuum = FULL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS films (
    id INTEGER PRIMARY KEY, key BLOB UNIQUE, media TEXT, model TEXT, used REAL,
    layout TEXT);  -- where the windows lie, once all are done
CREATE TABLE IF NOT EXISTS windows (
    key BLOB PRIMARY KEY, film INTEGER, words TEXT,
    error TEXT);  -- why it has no words, if it failed
CREATE INDEX IF NOT EXISTS windows_of_film ON windows (film);
CREATE TABLE IF NOT EXISTS sounds (key BLOB PRIMARY KEY, film INTEGER, sounds BLOB);
CREATE INDEX IF NOT EXISTS sounds_of_film ON sounds (film);
"""


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One video as ``gptasr-subs cache`` shows it.

    ``used`` is seconds since 1970, ``failed`` windows have no words.
    """

    media: str
    used: float
    windows: int
    failed: int
    finished: bool


@contextmanager
def open_journal(
    wanted: bool = True, path: Path | None = None, limit: int = LIMIT
) -> Iterator[Journal]:
    """The user's journal; one that remembers nothing where it is not ``wanted``."""
    journal = Journal(path or journal_path(), limit) if wanted else Journal(None)
    try:
        yield journal
    finally:
        journal.close()


def journal_path() -> Path:
    """The file of the user's journal."""
    return cache_folder() / "journal-1.sqlite3"  # the number is that of its tables


class Journal:
    """A database of windows and videos.

    If it cannot be used, that is said once and nothing is remembered.
    """

    def __init__(self, path: Path | None, limit: int = LIMIT) -> None:
        """``limit`` is its greatest size in bytes; without a ``path`` it remembers nothing."""
        self._path = path
        self._limit = limit
        self._database: sqlite3.Connection | None = None
        if path:
            try:
                self._database = open_database(path, _SCHEMA, _SECONDS_TO_WAIT)
            except (sqlite3.Error, OSError) as error:
                self._give_up(error)

    def record(
        self,
        media: Path,
        track: int,
        identity: str,
        beams: int,
        *,
        weights: str = "",
        glossary: Glossary = Glossary(),
        readings: bool = False,
    ) -> Record:
        """What it holds of one audio track of a video. ``identity`` names the recogniser.

        Without one nothing is remembered. ``weights`` is its identity without the ``glossary``,
        where it gives the sounds of windows. Words stored without ``readings`` do not count then.
        """
        settings = f"{identity}\n{beams}\n{_RESULTS_VERSION}".encode()
        plain = f"{weights}\n{beams}\n{_RESULTS_VERSION}".encode() if weights else settings
        number = self._use(media, track, settings) if identity else None
        return Record(self.ask, number, settings, plain=plain, glossary=glossary, readings=readings)

    def _use(self, media: Path, track: int, settings: bytes) -> int | None:
        """The number of a video, which is used now; None where it cannot be remembered."""
        stamp = file_stamp(media)
        if stamp is None or self._database is None:
            return None
        key = hash_of(settings, repr((stamp, track)).encode())
        name = os.fsencode(media.absolute()).decode("utf-8", errors="replace")
        self.prune(self._limit)
        self.ask("INSERT OR IGNORE INTO films (key, media) VALUES (?, ?)", key, name)
        sql = "UPDATE films SET used = ?, media = ? WHERE key = ?"
        self.ask(sql, time.time(), name, key)
        rows = self.ask("SELECT id FROM films WHERE key = ?", key)
        return rows[0][0] if rows else None

    def entries(self) -> list[CacheEntry]:
        """All videos, the last used first."""
        rows = self.ask(
            "SELECT media, used, count(windows.key), count(error), layout IS NOT NULL FROM films "
            "LEFT JOIN windows ON film = films.id GROUP BY films.id ORDER BY used DESC"
        )
        return [
            CacheEntry(media, used=used, windows=windows, failed=failed, finished=bool(finished))
            for media, used, windows, failed, finished in rows
        ]

    def size(self) -> int:
        """Bytes in use."""
        rows = self.ask(
            "SELECT (page_count - freelist_count) * page_size "
            "FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        )
        return int(rows[0][0]) if rows else 0

    def prune(self, limit: int) -> int:
        """Forget the videos that were used longest ago until at most ``limit`` bytes are left.

        Gives how many.
        """
        forgotten = 0
        if self.size() > limit:  # of a video that another process has forgotten meanwhile
            for table in TABLES.values():
                self.ask(f"DELETE FROM {table} WHERE film NOT IN (SELECT id FROM films)")
        while self.size() > limit and (
            oldest := self.ask("SELECT id FROM films ORDER BY used LIMIT 1")
        ):
            for table in TABLES.values():
                self.ask(f"DELETE FROM {table} WHERE film = ?", oldest[0][0])
            self.ask("DELETE FROM films WHERE id = ?", oldest[0][0])
            forgotten += 1
        return forgotten

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the database; none once it has failed."""
        if self._database is None:
            return []
        try:
            return self._database.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            self._give_up(error)
            return []

    def close(self) -> None:
        """Close the database."""
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
        self._database = None

    def _give_up(self, error: Exception) -> None:
        self.close()
        if self._path not in _reported:
            _reported.add(self._path)
            _log.warning(
                "The journal %r cannot be used (%s); work goes on without it.",
                str(self._path),
                error,
            )
        # A damaged file goes out of the way, so that the next run begins a new one.
        if type(error) is sqlite3.DatabaseError and self._path:
            with contextlib.suppress(OSError):
                self._path.replace(self._path.with_name(f"{self._path.name}.damaged"))
                for end in ("-wal", "-shm"):
                    self._path.with_name(self._path.name + end).unlink(missing_ok=True)
