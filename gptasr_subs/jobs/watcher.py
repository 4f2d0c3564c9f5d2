"""Watched folders feed the queue: each video once, when it is complete, under the name it has by
then.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue as queues
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedNoWriteEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileOpenedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingObserver

from gptasr_subs.errors import MediaError, UsageError
from gptasr_subs.jobs.arrivals import Arrivals
from gptasr_subs.jobs.queue import Queue, State, open_queue
from gptasr_subs.jobs.rules import Candidate, Limits, decide
from gptasr_subs.media.library import find_arrived, is_wanted
from gptasr_subs.media.sidecars import move_sidecars
from gptasr_subs.pipeline.options import Options
from gptasr_subs.pipeline.plan import target_paths

POLL_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Watcher:
    """Watches folders in a thread of its own and puts what arrives into the queue.

    The thread that calls watchdog's handlers only passes events on; files are read in ours.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        queue_path: Path,
        *,
        options: Options | None = None,
        limits: Limits | None = None,
        arrivals: Arrivals | None = None,
        poll: float = 0.0,
        tick: float = 1.0,
    ) -> None:
        """``poll``: look every so many seconds instead of waiting for events of the system.

        ``tick``: how often to check.
        """
        for folder in folders:
            if not folder.is_dir():
                raise UsageError(
                    f"There is no folder {str(folder)!r} to watch; create it or check its name."
                )
        self._folders = [folder.absolute() for folder in folders]
        self._queue_path = queue_path
        self._options = options or Options()
        self._limits = limits or Limits()
        self._arrivals = Arrivals() if arrivals is None else arrivals
        self._tick = tick
        self._named: dict[Path, Path] = {}
        self._observer: BaseObserver = PollingObserver(timeout=poll) if poll else Observer()
        self._events: queues.SimpleQueue[FileSystemEvent | None] = queues.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="watcher", daemon=True)
        self._stopped = threading.Event()
        self._idle = threading.Event()

    def start(self) -> None:
        """Begin; what is there already counts as arrived.

        Raises UsageError where the system refuses to watch.
        """
        for folder in self._folders:
            self._observer.schedule(_EventForwarder(self._events), str(folder), recursive=True)
        try:
            self._observer.start()
        except OSError as error:
            raise UsageError(
                f"The system cannot watch so many folders ({error}); use --poll."
            ) from error
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until both threads have."""
        self._stopped.set()
        self._events.put(None)
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()
        if self._thread.is_alive():
            self._thread.join()

    def is_idle(self) -> bool:
        """Return whether all that was there at the start, and has arrived since, is in the queue or
        refused.
        """
        return self._idle.is_set()

    def _work(self) -> None:
        with open_queue(self._queue_path) as queue:
            for folder in self._folders:
                for path in find_arrived(folder):
                    self._arrivals.add(path)
            while not self._stopped.is_set():
                # What happened since the last time, after at most a tick
                with contextlib.suppress(queues.Empty):
                    event = self._events.get(timeout=self._tick)
                    while event is not None:
                        with _warn_of_errors():
                            self._handle(event, queue)
                        event = self._events.get_nowait()
                for path in self._arrivals.complete():
                    with _warn_of_errors():
                        self._enqueue(path, queue)
                if not self._arrivals and self._events.empty():
                    self._idle.set()

    def _handle(self, event: FileSystemEvent, queue: Queue) -> None:
        source = Path(os.fsdecode(event.src_path))
        target = Path(os.fsdecode(event.dest_path))
        if isinstance(event, DirCreatedEvent | DirMovedEvent):
            for path in find_arrived(target if isinstance(event, DirMovedEvent) else source):
                self._add(path)
        elif event.is_directory or isinstance(event, FileOpenedEvent | FileClosedNoWriteEvent):
            return
        elif isinstance(event, FileMovedEvent):
            self._arrivals.discard(source)
            if self._is_wanted(target):
                queue.move(source, target)
                move_sidecars(source, target)
                self._add(target)
            else:
                queue.cancel_path(source, "the file was moved away")
        elif isinstance(event, FileDeletedEvent):
            self._arrivals.discard(source)
            queue.cancel_path(source, "the file was deleted")
        else:
            self._add(source)

    def _add(self, path: Path) -> None:
        if self._is_wanted(path):
            self._idle.clear()
            self._arrivals.add(path)

    def _is_wanted(self, path: Path) -> bool:
        return any(
            path.is_relative_to(folder) and is_wanted(path, folder) for folder in self._folders
        )

    def _enqueue(self, path: Path, queue: Queue) -> None:
        with contextlib.suppress(MediaError, OSError):  # the worker will say what is wrong with it
            changed = path.stat().st_mtime
            failed = (job for job in queue.jobs(State.FAILED) if job.path == path)
            if any(job.changed > changed for job in failed):
                return  # it was tried as it is and cannot be done, and that has been reported
            # Whether another file was seen whose subtitles would bear the same name
            first = self._named.setdefault(target_paths(path, self._options).popitem()[1], path)
            has_namesake = first != path and first.exists()
            verdict = decide(Candidate(path, self._options, self._limits))
            # Where the subtitles may be those of another file, the worker raises an error.
            if not verdict.passed and not (has_namesake and verdict.rule == "subtitle file"):
                _log.info("%s: skipped by the rule %r: %s.", path, verdict.rule, verdict.reason)
                return
        queue.add(path)


@contextlib.contextmanager
def _warn_of_errors() -> Iterator[None]:
    """Turn what goes wrong with one file into a warning, so that the watch goes on."""
    try:
        yield
    except Exception as error:
        _log.warning("One file could not be queued: %s", error)


class _EventForwarder(FileSystemEventHandler):
    def __init__(self, events: queues.SimpleQueue[FileSystemEvent | None]) -> None:
        self._events = events

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._events.put(event)
