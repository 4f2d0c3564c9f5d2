"""What is recognised already, on disk: a run that was killed resumes, and new cues cost nothing.

A window is found again by the hash of its samples, together with what turned them into words: the
weights, the width of the search and a version of the results. So a copy or a renamed video is known
too, and what has changed in any way is not. A video that was finished is found by its size, time
and file number without being decoded at all.

A recogniser whose words depend on no more of a glossary than the terms that may be heard in a
window gives its sounds along. They are kept, and tell which terms those are: a window is known as
long as they stay the same, and another glossary has few windows read again.
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
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptasr_subs.errors import error_line
from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.recognition.transcript import HeardWords, Transcript, recognized_window
from gptasr_subs.speech.segmentation import Window
from gptasr_subs.storage.files import MIB, file_stamp
from gptasr_subs.storage.folders import cache_folder
from gptasr_subs.storage.sqlite import open_database
from gptasr_subs.types import Span, Word

if TYPE_CHECKING:  # they bring torch along, which what was recognised already does without
    from gptasr_subs.glossary.writing import TermWriter
    from gptasr_subs.model.decoding.spotting import TermSpotter

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
_TABLES = {"words": "windows", "sounds": "sounds"}  # of the parts of a film


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
        return Record(self, number, settings, plain=plain, glossary=glossary, readings=readings)

    def _use(self, media: Path, track: int, settings: bytes) -> int | None:
        """The number of a video, which is used now; None where it cannot be remembered."""
        stamp = file_stamp(media)
        if stamp is None or self._database is None:
            return None
        key = _hash(settings, repr((stamp, track)).encode())
        name = _text(media.absolute())
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
            for table in _TABLES.values():
                self.ask(f"DELETE FROM {table} WHERE film NOT IN (SELECT id FROM films)")
        while self.size() > limit and (
            oldest := self.ask("SELECT id FROM films ORDER BY used LIMIT 1")
        ):
            for table in _TABLES.values():
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


class Record:
    """What the journal knows of one video, and what of it has failed in this run."""

    def __init__(
        self,
        journal: Journal,
        number: int | None,
        settings: bytes,
        *,
        plain: bytes,
        glossary: Glossary,
        readings: bool,
    ) -> None:
        """Made by ``Journal.record``; without a ``number`` nothing is remembered.

        ``plain`` are the ``settings`` without the ``glossary``.
        """
        self._journal = journal
        self._number = number
        self._settings = settings
        self._plain = plain
        self._glossary = glossary
        self._readings = readings
        self._keys: dict[Span, tuple[bytes, bytes]] = {}  # of a window's sounds, and of its words
        self._finished: Transcript | None = None
        self.failed: list[tuple[Span, str]] = []

    def recall(self, window: Window) -> list[Word] | None:
        """The words of a window, in seconds from its start; None where it has to be recognised."""
        return None if self._number is None else self._words(self._key(window))

    def store(self, window: Window, words: Sequence[Word]) -> None:
        """Put the words of a window on disk at once."""
        if isinstance(words, HeardWords):
            self._write_sounds(window, words.sounds)
            words = words.plain
        count = 5 if self._readings else 4
        fields = [[w.text, w.start, w.end, w.confidence, w.readings][:count] for w in words]
        self._write(window, json.dumps(fields))

    def mark_failed(self, window: Window, error: Exception) -> None:
        """Note that a window could not be recognised; the next run tries it again."""
        reason = error_line(error)
        self.failed.append((window.span, reason))
        self._write(window, None, reason)

    def finish(self, transcript: Transcript) -> None:
        """Note that the video is done, and where its windows lie."""
        if self._number is None or self.failed:
            return
        windows = [
            [*_pair(h.span), [_pair(s) for s in h.speech], *map(bytes.hex, self._keys[h.span])]
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

    def windows_with(self, glossary: Glossary) -> list[Span]:
        """Where in a finished video a term of ``glossary`` may be spoken, by the sounds alone."""
        from gptasr_subs.model.decoding.spotting import TermSpotter

        spotter = TermSpotter(glossary.sounds)
        _, windows = self._layout() or (0.0, [])
        return [
            Span(start, end)
            for start, end, _, sounds, _ in windows
            if self._heard(bytes.fromhex(sounds), spotter)
        ]

    def _layout(self) -> list[Any] | None:
        rows = self._journal.ask("SELECT layout FROM films WHERE id = ?", self._number)
        return _unpacked(rows[0][0]) if rows else None

    def _read_finished(self) -> Transcript | None:
        layout = self._layout()
        if layout is None:
            return None
        seconds, windows = layout
        recognized = []
        for start, end, speech, _, key in windows:
            words = self._words(bytes.fromhex(key))
            if words is None:
                return None
            recognized.append(
                recognized_window(Span(start, end), [Span(*pair) for pair in speech], words)
            )
        rows = self._journal.ask("SELECT model FROM films WHERE id = ?", self._number)
        return Transcript(rows[0][0], seconds, tuple(recognized))

    def _key(self, window: Window) -> bytes:
        if window.span not in self._keys:
            samples = window.samples.tobytes()
            sounds = _hash(self._plain, samples)
            terms = self._heard(sounds, self._spotter)
            # Where nothing is heard of the glossary, the words are those without one.
            words = _hash(self._settings, samples) if terms is None else _hash(sounds, terms)
            self._keys[window.span] = sounds, words
        return self._keys[window.span][1]

    def _heard(self, key: bytes, spotter: TermSpotter) -> bytes | None:
        """The terms that may be spoken in a window; None where its sounds are not known."""
        from gptasr_subs.model.decoding.spotting import unpack

        sounds = unpack(self._kept("sounds", key))
        if sounds is None:
            return None
        terms = sorted(spotter.spot(sounds))
        return repr((terms, spotter.log_prior)).encode() if terms else b""

    @cached_property
    def _spotter(self) -> TermSpotter:
        from gptasr_subs.model.decoding.spotting import TermSpotter

        return TermSpotter(self._glossary.sounds)

    @cached_property
    def _term_writer(self) -> TermWriter:
        from gptasr_subs.glossary.writing import TermWriter

        return TermWriter(self._glossary)

    def _words(self, key: bytes) -> list[Word] | None:
        stored = _unpacked(self._kept("words", key))
        if stored is None or (self._readings and any(len(fields) < 5 for fields in stored)):
            return None
        words = [Word(*fields[:4], *map(tuple, fields[4:])) for fields in stored]
        return words if self._plain == self._settings else self._term_writer.write(words)

    def _kept(self, what: str, key: bytes) -> Any:
        """The ``words`` or ``sounds`` of a window; None where there are none."""
        table = _TABLES[what]
        rows = self._journal.ask(f"SELECT {what}, film FROM {table} WHERE key = ?", key)
        # Of another video with the same audio; it must not be forgotten with that one
        if rows and rows[0][1] != self._number:
            self._journal.ask(f"UPDATE {table} SET film = ? WHERE key = ?", self._number, key)
        return rows[0][0] if rows else None

    def _write_sounds(self, window: Window, sounds: bytes) -> None:
        if self._number is not None:
            unheard = "DELETE FROM windows WHERE key = ? AND words IS NULL"  # if it failed before
            self._journal.ask(unheard, self._key(window))
            key = self._keys.pop(window.span)[0]  # that of the words changes with the sounds
            sql = "INSERT OR REPLACE INTO sounds (key, film, sounds) VALUES (?, ?, ?)"
            self._journal.ask(sql, key, self._number, sounds)

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
