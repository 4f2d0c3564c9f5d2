"""A durable queue of videos to subtitle, filled and worked off by any number of processes.

To enqueue from a script and exit at once::

    from gptasr_subs.jobs.queue import open_queue

    with open_queue() as queue:
        # the same file twice is one job
        queue.add(path, {"formats": ["srt"], "language": "en"}, priority=1)

``gptasr-subs jobs run`` (or ``gptasr-subs watch``) does the work. Nothing heavy is imported here.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from gptasr_subs.errors import QueueError
from gptasr_subs.storage.folders import data_folder
from gptasr_subs.storage.sqlite import open_database, transaction

# Seconds; a worker without a heartbeat for so long is dead, and its job goes to another
LEASE = 60.0
MAX_ATTEMPTS = 4
MEMORY = Path(":memory:")  # a queue of this process alone, gone when it is closed
FIRST_DELAY = 60.0  # seconds before the second attempt; each later one waits four times as long

_SECONDS_TO_WAIT = 30.0  # for another process that writes
_SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB NOT NULL, options TEXT NOT NULL,
    priority INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0, added REAL NOT NULL, due REAL NOT NULL,
    changed REAL NOT NULL, worker TEXT, lease REAL);
CREATE UNIQUE INDEX IF NOT EXISTS one_open_job_a_file ON jobs (path)
    WHERE state IN ('waiting', 'running');
DROP INDEX IF EXISTS by_state;  -- of early versions
CREATE INDEX IF NOT EXISTS in_order ON jobs (state, priority DESC, due, id);
"""


class State(str, Enum):
    """Where a job stands. ``skipped`` jobs had nothing to do; why is their reason."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """One video to subtitle. ``options`` are settings of the run by name.

    Times are seconds since 1970. ``due`` is when it may start; ``reason`` says why it is in its
    state; ``worker`` holds it until ``lease``. ``address`` is that of a video which lies in no file
    system of this machine, empty otherwise.
    """

    id: int
    path: Path
    options: Mapping[str, Any]
    priority: int
    state: State
    reason: str
    attempts: int
    added: float
    due: float
    changed: float
    worker: str | None
    lease: float | None
    address: str = ""


@contextmanager
def open_queue(path: Path | None = None, clock: Callable[[], float] = time.time) -> Iterator[Queue]:
    """The user's queue, or the one at ``path``. Raises QueueError where it cannot be used."""
    queue = Queue(path or queue_path(), clock)
    try:
        yield queue
    finally:
        queue.close()


def queue_path() -> Path:
    """The file of the user's queue."""
    return data_folder() / "queue-1.sqlite3"  # the number is that of its tables


class Queue:
    """The queue in a database; any number of processes may use it at once.

    All methods raise QueueError.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """``clock`` gives seconds since 1970."""
        self.path = path
        self._clock = clock
        try:
            self._database = open_database(path, _SCHEMA, _SECONDS_TO_WAIT)
        except (sqlite3.Error, OSError) as error:
            raise self._failure(error) from error

    def add(
        self,
        path: str | os.PathLike[str],
        options: Mapping[str, Any] | None = None,
        priority: int = 0,
    ) -> Job:
        """Put a video in, whether it exists yet or not.

        ``options`` are fields of ``pipeline.Options`` by name. A video that waits or runs already
        is not put in twice: it keeps the higher priority and, if it waits, takes the new options.
        Jobs of higher ``priority`` run first, those of the same in the order they came. A ``path``
        with ``://`` in it is an address, which only ``farm`` can fetch.
        """
        now = self._clock()
        full = _stored(path)
        self._ask(
            "INSERT INTO jobs (path, options, priority, state, added, due, changed) "
            "VALUES (?, ?, ?, 'waiting', ?, ?, ?) "
            "ON CONFLICT (path) WHERE state IN ('waiting', 'running') DO UPDATE SET "
            "priority = max(priority, excluded.priority), "
            "options = CASE state WHEN 'waiting' THEN excluded.options ELSE options END",
            *(full, json.dumps(dict(options or {}), default=str), priority, now, now, now),
        )
        return self._select("WHERE path = ? ORDER BY id DESC LIMIT 1", full)[0]

    def jobs(self, *states: State) -> list[Job]:
        """All jobs, or those in one of the states: first those that run, then as they will run,
        then by time.
        """
        marks = ", ".join("?" * len(states))
        where = f"WHERE state IN ({marks}) " if states else ""
        order = "ORDER BY state != 'running', state != 'waiting', priority DESC, due, id"
        return self._select(where + order, *(state.value for state in states))

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state; states without jobs are left out."""
        rows = self._ask("SELECT state, COUNT(*) FROM jobs GROUP BY state")
        return {State(state): count for state, count in rows}

    def get(self, number: int) -> Job:
        """One job by its number."""
        found = self._select("WHERE id = ?", number)
        if not found:
            raise QueueError(
                f"There is no job {number}; `gptasr-subs jobs list` shows those there are."
            )
        return found[0]

    def retry(self, number: int) -> Job:
        """Let a job that is over, or that waits for its next attempt, start at once with all its
        attempts.
        """
        job = self.get(number)
        if job.state is State.RUNNING:
            raise QueueError(f"The job {number} is running; cancel it first, or let it end.")
        now = self._clock()
        sql = (
            "UPDATE jobs SET state = 'waiting', reason = '', attempts = 0, due = ?, changed = ? "
            "WHERE id = ?"
        )
        try:
            self._ask(sql, now, now, number)
        except sqlite3.IntegrityError:
            raise QueueError(f"{str(job.path)!r} waits already as another job.") from None
        return self.get(number)

    def cancel(self, number: int, reason: str = "cancelled") -> Job:
        """Take a job out; one that runs is stopped at its next heartbeat.

        A job that is over stays as it is.
        """
        self.get(number)
        sql = (
            "UPDATE jobs SET state = 'cancelled', reason = ?, changed = ? "
            "WHERE id = ? AND state IN ('waiting', 'running')"
        )
        self._ask(sql, reason, self._clock(), number)
        return self.get(number)

    def remove(self, number: int) -> None:
        """Forget a job that is over."""
        self._ask("DELETE FROM jobs WHERE id = ? AND state NOT IN ('waiting', 'running')", number)

    def cancel_path(self, path: Path, reason: str) -> None:
        """Take the job of a file out, if it has one that is not over."""
        sql = "SELECT id FROM jobs WHERE path = ? AND state IN ('waiting', 'running')"
        for (number,) in self._ask(sql, _stored(path)):
            self.cancel(number, reason)

    def move(self, old: Path, new: Path) -> None:
        """A file has another name now; its waiting job goes with it."""
        sql = "UPDATE OR IGNORE jobs SET path = ? WHERE path = ? AND state = 'waiting'"
        self._ask(sql, _stored(new), _stored(old))

    def claim(self, worker: str, newest_first: bool = False) -> Job | None:
        """The next job, for ``worker`` alone until its lease ends; None where nothing is due.

        Of jobs of the same priority that came first is taken, or with ``newest_first`` that which
        came last.
        """
        order = "added DESC, id DESC" if newest_first else "due, id"
        now = self._clock()
        with transaction(self._database, self._ask):
            self._reclaim_expired(now)
            rows = self._ask(
                "SELECT id FROM jobs WHERE state = 'waiting' AND due <= ? "
                f"ORDER BY priority DESC, {order} LIMIT 1",
                now,
            )
            if not rows:
                return None
            self._ask(
                "UPDATE jobs SET state = 'running', worker = ?, lease = ?, "
                "attempts = attempts + 1, changed = ?, reason = '' WHERE id = ?",
                *(worker, now + LEASE, now, rows[0][0]),
            )
        return self.get(rows[0][0])

    def due(self, at_most: int = -1) -> int:
        """How many jobs could be claimed now, counted up to ``at_most`` where that is given."""
        now = self._clock()
        self._reclaim_expired(now)
        waiting = "SELECT 1 FROM jobs WHERE state = 'waiting' AND due <= ? LIMIT ?"
        return int(self._ask(f"SELECT COUNT(*) FROM ({waiting})", now, at_most)[0][0])

    def heartbeat(self, job: Job) -> bool:
        """Renew the lease of the worker that holds ``job``; False where it must stop, as it holds
        it no longer.
        """
        now = self._clock()
        self._ask(f"UPDATE jobs SET lease = ? WHERE {_HELD}", now + LEASE, job.id, job.worker)
        return bool(self._ask(f"SELECT 1 FROM jobs WHERE {_HELD}", job.id, job.worker))

    def finish(self, job: Job, state: State, reason: str = "") -> None:
        """The worker is through with its job; nothing happens where it holds it no longer."""
        sql = f"UPDATE jobs SET state = ?, reason = ?, changed = ?, worker = NULL WHERE {_HELD}"
        self._ask(sql, state.value, reason, self._clock(), job.id, job.worker)

    def fail(self, job: Job, reason: str, retry: bool) -> None:
        """The attempt has failed.

        With ``retry`` there is another after a while, unless there were enough.
        """
        if not retry or job.attempts >= MAX_ATTEMPTS:
            return self.finish(job, State.FAILED, reason)
        now = self._clock()
        sql = (
            "UPDATE jobs SET state = 'waiting', reason = ?, changed = ?, due = ?, worker = NULL "
            f"WHERE {_HELD}"
        )
        self._ask(sql, reason, now, now + FIRST_DELAY * 4 ** (job.attempts - 1), job.id, job.worker)

    def release(self, job: Job, reason: str, *, counts: bool = False) -> None:
        """The worker stops before its job is done; whether the attempt ``counts`` is said.

        The job stands before those that came after it.
        """
        sql = "UPDATE jobs SET state = 'waiting', reason = ?, attempts = ?, worker = NULL"
        attempts = job.attempts if counts else job.attempts - 1
        self._ask(f"{sql} WHERE {_HELD}", reason, attempts, job.id, job.worker)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _reclaim_expired(self, now: float) -> None:
        reason = "its worker ended without a word"
        dead = "state = 'running' AND lease < ?"
        sql = (
            "UPDATE jobs SET state = 'failed', reason = ?, changed = ? "
            f"WHERE {dead} AND attempts >= ?"
        )
        self._ask(sql, f"{reason}, {MAX_ATTEMPTS} times", now, now, MAX_ATTEMPTS)
        self._ask(
            f"UPDATE jobs SET state = 'waiting', reason = ?, worker = NULL WHERE {dead}",
            reason,
            now,
        )

    def _select(self, where: str, *values: object) -> list[Job]:
        jobs = []
        for row in self._ask(f"SELECT {_COLUMNS} FROM jobs {where}", *values):
            number, path, options, priority, state, *rest = row
            name = os.fsdecode(path)
            asked = json.loads(options)
            job = Job(number, Path(name), asked, priority, State(state), *rest)
            jobs.append(replace(job, address=name) if _ADDRESS in name else job)
        return jobs

    def _ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(sql, values).fetchall()
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> QueueError:
        return QueueError(
            f"The queue {str(self.path)!r} cannot be used ({error}); "
            "check the disk and your rights."
        )


_COLUMNS = (
    "id, path, options, priority, state, reason, attempts, added, due, changed, worker, lease"
)
_ADDRESS = "://"  # in no absolute path, for Path writes one slash
_HELD = "id = ? AND worker = ? AND state = 'running'"


def _stored(path: str | os.PathLike[str]) -> bytes:
    """Names of any bytes: not all of them are text."""
    name = os.fspath(path)
    return os.fsencode(name if _ADDRESS in name else Path(name).absolute())
