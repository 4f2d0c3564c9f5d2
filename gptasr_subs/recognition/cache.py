"""What is recognised already, on disk: a run that was killed resumes, and new cues cost nothing.

A window is found again by the hash of its samples, together with what turned them into words: the
weights, the width of the search and a version of the results. So a copy or a renamed video is known
too, and what has changed in any way is not. A video that was finished is found by its size, time
and file number without being decoded at all.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from gptasr_subs.recognition.transcript import Transcript, recognized_window
from gptasr_subs.speech.segmentation import Window
from gptasr_subs.storage.files import MIB, file_stamp
from gptasr_subs.storage.folders import cache_folder
from gptasr_subs.storage.sqlite import open_database
from gptasr_subs.types import Span, Word

LIMIT = 200 * MIB  # bytes; a video of two hours takes about one MiB

_log = logging.getLogger(__name__)
_SECONDS_TO_WAIT = 10.0  # for another process that writes
# Part of every key. Raise it with each change to decoding, segmentation or the model that may
# change words or times.
_RESULTS_VERSION = 1
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

    def record(self, media: Path, track: int, identity: str, beams: int) -> Record:
        """What it holds of one audio track of a video. ``identity`` names the weights.

        Without one nothing is remembered.
        """
        settings = f"{identity}\n{beams}\n{_RESULTS_VERSION}".encode()
        stamp = file_stamp(media)
        if not identity or stamp is None or self._database is None:
            return Record(self, None, settings)
        key = _hash(settings, repr((stamp, track)).encode())
        self.prune(self._limit)
        self.ask(
            "INSERT OR IGNORE INTO films (key, media) VALUES (?, ?)", key, _text(media.absolute())
        )
        self.ask(
            "UPDATE films SET used = ?, media = ? WHERE key = ?",
            time.time(),
            _text(media.absolute()),
            key,
        )
        rows = self.ask("SELECT id FROM films WHERE key = ?", key)
        return Record(self, rows[0][0] if rows else None, settings)

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
            self.ask("DELETE FROM windows WHERE film NOT IN (SELECT id FROM films)")
        while self.size() > limit and (
            oldest := self.ask("SELECT id FROM films ORDER BY used LIMIT 1")
        ):
            self.ask("DELETE FROM windows WHERE film = ?", oldest[0][0])
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


class Record:
    """What the journal knows of one video, and what of it has failed in this run."""

    def __init__(self, journal: Journal, number: int | None, settings: bytes) -> None:
        """Made by ``Journal.record``; without a ``number`` nothing is remembered."""
        self._journal = journal
        self._number = number
        self._settings = settings
        self._keys: dict[Span, bytes] = {}
        self._finished: Transcript | None = None
        self.failed: list[tuple[Span, str]] = []

    def recall(self, window: Window) -> list[Word] | None:
        """The words of a window, in seconds from its start; None where it has to be recognised."""
        return None if self._number is None else self._words(self._key(window))

    def store(self, window: Window, words: Sequence[Word]) -> None:
        """Put the words of a window on disk at once."""
        self._write(window, json.dumps([[w.text, w.start, w.end, w.confidence] for w in words]))

    def mark_failed(self, window: Window, error: Exception) -> None:
        """Note that a window could not be recognised; the next run tries it again."""
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        self.failed.append((window.span, reason))
        self._write(window, None, reason)

    def finish(self, transcript: Transcript) -> None:
        """Note that the video is done, and where its windows lie."""
        if self._number is None or self.failed:
            return
        windows = [
            [*_pair(h.span), [_pair(s) for s in h.speech], self._keys[h.span].hex()]
            for h in transcript.windows
        ]
        layout = json.dumps([transcript.seconds, windows])
        sql = "UPDATE films SET layout = ?, model = ? WHERE id = ?"
        self._journal.ask(sql, layout, transcript.model, self._number)

    def finished(self) -> Transcript | None:
        """The whole video, if it was finished and all of it is still there."""
        if self._finished is None:
            self._finished = self._read_finished()
        return self._finished

    def _read_finished(self) -> Transcript | None:
        rows = self._journal.ask("SELECT layout, model FROM films WHERE id = ?", self._number)
        layout = _unpacked(rows[0][0]) if rows else None
        if layout is None:
            return None
        seconds, windows = layout
        recognized = []
        for start, end, speech, key in windows:
            words = self._words(bytes.fromhex(key))
            if words is None:
                return None
            recognized.append(
                recognized_window(Span(start, end), [Span(*pair) for pair in speech], words)
            )
        return Transcript(rows[0][1], seconds, tuple(recognized))

    def _key(self, window: Window) -> bytes:
        if window.span not in self._keys:
            self._keys[window.span] = _hash(self._settings, window.samples.tobytes())
        return self._keys[window.span]

    def _words(self, key: bytes) -> list[Word] | None:
        rows = self._journal.ask("SELECT words, film FROM windows WHERE key = ?", key)
        stored = _unpacked(rows[0][0]) if rows else None
        if stored is None:
            return None
        # Of another video with the same audio; it must not be forgotten with that one
        if rows[0][1] != self._number:
            self._journal.ask("UPDATE windows SET film = ? WHERE key = ?", self._number, key)
        return [Word(*fields) for fields in stored]

    def _write(self, window: Window, words: str | None, error: str | None = None) -> None:
        if self._number is not None:
            sql = "INSERT OR REPLACE INTO windows (key, film, words, error) VALUES (?, ?, ?, ?)"
            self._journal.ask(sql, self._key(window), self._number, words, error)


def _hash(*parts: bytes) -> bytes:
    state = blake2b(digest_size=16)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()


def _unpacked(text: str | None) -> list[Any] | None:
    """A stored list; None where there is none, or it is damaged."""
    try:
        stored = json.loads(text or "null")
    except ValueError:
        return None
    return stored if isinstance(stored, list) else None


def _pair(span: Span) -> list[float]:
    return [span.start, span.end]


def _text(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", errors="replace")
