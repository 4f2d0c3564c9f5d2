"""What was made of each film on the page: its cues in every version, on disk before it is said.

A version is stored as what differs from the one before: the cues between those that both share at
their start and at their end. Every ``_WHOLE_EVERY`` versions all cues are stored.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

from gptasr_subs.errors import GptasrError
from gptasr_subs.server.page.cues import NamedCue
from gptasr_subs.storage.folders import data_folder
from gptasr_subs.storage.sqlite import open_database, transaction
from gptasr_subs.types import Word

_PATIENCE = 30.0  # seconds for another process that writes
_WHOLE_EVERY = 64
# FULL: a version that was acknowledged outlives a loss of power, not only a killed process.
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS films (job INTEGER PRIMARY KEY, facts BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS versions (
    job INTEGER NOT NULL, version INTEGER NOT NULL, saved REAL NOT NULL, count INTEGER NOT NULL,
    change BLOB NOT NULL, PRIMARY KEY (job, version));
CREATE TABLE IF NOT EXISTS heard (job INTEGER, word INTEGER, PRIMARY KEY (job, word));
CREATE TABLE IF NOT EXISTS terms (job INTEGER, term TEXT, PRIMARY KEY (job, term));
"""


class EditsError(GptasrError):
    """The database of edits cannot be used."""


class Outdated(Exception):
    """A film has a newer version than the one that was edited."""


@dataclass(frozen=True)
class Film:
    """What was known of a film when it was first opened.

    ``fps`` are frames a second by which its norms count, if any. ``words`` are the recogniser's.
    """

    title: str
    language: str
    seconds: float
    fps: float | None
    words: tuple[Word, ...]

    @cached_property
    def words_json(self) -> str:
        """The words for clients, as JSON. Written by hand: three hours have 15,000 of them."""
        words = []
        for word in self.words:
            times = f'"start":{word.start:.3f},"end":{word.end:.3f}'
            sure = f'"confidence":{word.confidence:.4f}'
            text = f'"text":{encode_basestring(word.text)}'
            readings = json.dumps(word.readings, ensure_ascii=False) if word.readings else "[]"
            words.append(f'{{{times},{sure},{text},"readings":{readings}}}')
        return f"[{','.join(words)}]"


@dataclass(frozen=True, slots=True)
class Version:
    """The cues of a film as they were at a time; ``saved`` is seconds since 1970."""

    number: int
    saved: float
    cues: tuple[NamedCue, ...]


@contextmanager
def open_edits(path: Path | None = None) -> Iterator[Edits]:
    """The user's edits, or those at ``path``. Raises EditsError where they cannot be used."""
    file = path or data_folder() / "edits-1.sqlite3"  # the number is that of its tables
    try:
        with closing(open_database(file, _SCHEMA, _PATIENCE)) as database:
            yield Edits(database)
    except (sqlite3.Error, OSError) as error:
        raise EditsError(
            f"The edits {str(file)!r} cannot be kept ({error}); check the disk and your rights."
        ) from error


class Edits:
    """The versions of all films. Every method is one transaction, on disk when it returns."""

    def __init__(self, database: sqlite3.Connection, clock: Callable[[], float] = time.time):
        """Made by ``open_edits``."""
        self._database = database
        self._clock = clock

    def begin(self, job: int, film: Film, cues: Sequence[NamedCue]) -> None:
        """Note a film and its first version; one that is known stays as it is."""
        with transaction(self._database, self._ask):
            if self._ask("SELECT 1 FROM films WHERE job = ?", job):
                return
            self._insert_film(job, film, cues)

    def renew(self, job: int, film: Film, cues: Sequence[NamedCue]) -> Version | None:
        """Note what was recognised for a film, perhaps once more.

        What was edited goes on: the new cues are the version before it, and the edited version is
        returned. Where nothing was, the new recognition takes the place of the old one.
        """
        with transaction(self._database, self._ask):
            edited = self.version(job, self.newest(job))
            first = self.version(job, 1)
            if edited and first and edited.number > 1:
                if first.cues != tuple(cues):
                    self._insert(job, edited.number + 1, cues, _Change(0, 0, tuple(cues)))
                    whole = _Change(0, 0, edited.cues)
                    self._insert(job, edited.number + 2, edited.cues, whole)
                return edited
            self._drop(job)
            self._insert_film(job, film, cues)
        return None

    def film(self, job: int) -> Film | None:
        """What is known of a film; None where it was never opened."""
        rows = self._ask("SELECT facts FROM films WHERE job = ?", job)
        if not rows:
            return None
        facts = _unpacked(rows[0][0])
        words = tuple(
            Word(text, start, end, confidence, tuple(readings))
            for text, start, end, confidence, readings in facts["words"]
        )
        return Film(facts["title"], facts["language"], facts["seconds"], facts["fps"], words)

    def newest(self, job: int) -> int:
        """The number of the newest version, 0 where there is none."""
        rows = self._ask("SELECT max(version) FROM versions WHERE job = ?", job)
        return int(rows[0][0] or 0)

    def version(self, job: int, number: int) -> Version | None:
        """One version; None where there is none of this number."""
        rows = self._ask(
            "SELECT version, saved, change FROM versions WHERE job = ? AND version <= ? "
            "AND version > ? ORDER BY version",
            *(job, number, number - 1 - (number - 1) % _WHOLE_EVERY),
        )
        if not rows or rows[-1][0] != number:
            return None
        cues: tuple[NamedCue, ...] = ()
        for _, _, change in rows:
            cues = _Change.from_bytes(change).applied(cues)
        return Version(number, rows[-1][1], cues)

    def save(self, job: int, base: int, cues: Sequence[NamedCue]) -> int:
        """Keep cues that were made of version ``base``, and return the number of their version.

        Raises Outdated where ``base`` is not the newest.
        """
        with transaction(self._database, self._ask):
            before = self.version(job, base)
            if before is None or self.newest(job) != base:
                raise Outdated
            is_whole = base % _WHOLE_EVERY == 0
            change = _Change(0, 0, tuple(cues)) if is_whole else _Change.of(before.cues, cues)
            self._insert(job, base + 1, cues, change)
        return base + 1

    def history(self, job: int) -> list[dict[str, Any]]:
        """All versions, the newest last: number, when it was saved, count of cues."""
        sql = "SELECT version, saved, count FROM versions WHERE job = ? ORDER BY version"
        rows = self._ask(sql, job)
        return [{"version": row[0], "saved": row[1], "cues": row[2]} for row in rows]

    def hear(self, job: int, words: Iterable[int]) -> list[int]:
        """Note words that somebody has listened to, and return all of them."""
        with transaction(self._database, self._ask):
            for word in words:
                self._ask("INSERT OR IGNORE INTO heard VALUES (?, ?)", job, word)
        rows = self._ask("SELECT word FROM heard WHERE job = ? ORDER BY word", job)
        return [row[0] for row in rows]

    def expect(self, job: int, terms: Iterable[str]) -> list[str]:
        """Note terms that are said in a film, and return all of them."""
        with transaction(self._database, self._ask):
            for term in terms:
                self._ask("INSERT OR IGNORE INTO terms VALUES (?, ?)", job, term)
        rows = self._ask("SELECT term FROM terms WHERE job = ? ORDER BY rowid", job)
        return [row[0] for row in rows]

    def forget(self, job: int) -> None:
        """Drop all that is kept for a film."""
        with transaction(self._database, self._ask):
            self._drop(job)

    def _drop(self, job: int) -> None:
        for table in ("films", "versions", "heard", "terms"):
            self._ask(f"DELETE FROM {table} WHERE job = ?", job)

    def _insert_film(self, job: int, film: Film, cues: Sequence[NamedCue]) -> None:
        words = [
            [word.text, round(word.start, 3), round(word.end, 3), word.confidence, word.readings]
            for word in film.words
        ]
        facts = {
            "title": film.title,
            "language": film.language,
            "seconds": film.seconds,
            "fps": film.fps,
            "words": words,
        }
        self._ask("INSERT INTO films VALUES (?, ?)", job, _packed(facts))
        self._insert(job, 1, cues, _Change(0, 0, tuple(cues)))

    def _insert(self, job: int, number: int, cues: Sequence[NamedCue], change: _Change) -> None:
        row = (job, number, self._clock(), len(cues), change.as_bytes())
        self._ask("INSERT INTO versions VALUES (?, ?, ?, ?, ?)", *row)

    def _ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self._database.execute(sql, values).fetchall()


@dataclass(frozen=True, slots=True)
class _Change:
    """``head`` cues stay at the start and ``tail`` at the end; ``cues`` stand between them."""

    head: int
    tail: int
    cues: tuple[NamedCue, ...]

    @classmethod
    def of(cls, before: Sequence[NamedCue], after: Sequence[NamedCue]) -> _Change:
        """What makes ``after`` of ``before``."""
        head = _count_equal(before, after)
        tail = _count_equal(before[head:][::-1], after[head:][::-1])
        return cls(head, tail, tuple(after[head : len(after) - tail]))

    def applied(self, before: tuple[NamedCue, ...]) -> tuple[NamedCue, ...]:
        """What it makes of ``before``."""
        return before[: self.head] + self.cues + before[len(before) - self.tail :]

    def as_bytes(self) -> bytes:
        """For the disk."""
        return _packed([self.head, self.tail, [named.as_json() for named in self.cues]])

    @classmethod
    def from_bytes(cls, data: bytes) -> _Change:
        """What ``as_bytes`` gave."""
        head, tail, cues = _unpacked(data)
        return cls(head, tail, tuple(map(NamedCue.from_json, cues)))


def _count_equal(one: Sequence[NamedCue], other: Sequence[NamedCue]) -> int:
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _packed(content: Any) -> bytes:
    return zlib.compress(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())


def _unpacked(data: bytes) -> Any:
    return json.loads(zlib.decompress(data))
