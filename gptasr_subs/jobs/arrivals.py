"""Files that arrive in a folder, and when they are complete."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gptasr_subs.errors import MediaError
from gptasr_subs.media.probe import probe
from gptasr_subs.storage.files import file_stamp

_WRITES = 0o3  # the bits of open flags that say whether a file is open for writing


def is_open_for_writing(path: Path) -> bool:
    """Return whether a process of this computer writes to it; known on Linux, of our own
    processes.
    """
    try:
        wanted = path.stat()
    except OSError:
        return False
    return any(_writes(process, wanted) for process in Path("/proc").glob("[0-9]*"))


def _writes(process: Path, wanted: os.stat_result) -> bool:
    with contextlib.suppress(OSError, ValueError):  # it is not ours to look into, or has ended
        for entry in os.scandir(process / "fd"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                facts = Path(entry.path).stat()  # the entry's own would be that of the link
                if (facts.st_ino, facts.st_dev) != (wanted.st_ino, wanted.st_dev):
                    continue
                lines = (process / "fdinfo" / entry.name).read_text()
                if int(lines.split("flags:")[1].split()[0], 8) & _WRITES:
                    return True
    return False


@dataclass
class _Seen:
    stamp: tuple[int, int, int] | None
    since: float
    unreadable_once: bool = False  # ffprobe does not take it for a video (yet)


class Arrivals:
    """Holds files until they are complete: unchanged for a while, not open, readable.

    What ffprobe cannot read is held longer, and then given as it is, so that it is reported.
    """

    def __init__(
        self,
        stable_seconds: float = 10.0,
        patience: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A file must stay the same for ``stable_seconds``, one that cannot be read for
        ``patience``.
        """
        self._stable_seconds = stable_seconds
        self._patience = patience
        self._clock = clock
        self._seen: dict[Path, _Seen] = {}

    def __len__(self) -> int:
        """How many are held."""
        return len(self._seen)

    def add(self, path: Path) -> None:
        """A file is there, or has changed."""
        self._seen[path] = _Seen(file_stamp(path), self._clock())

    def discard(self, path: Path) -> None:
        """A file is gone."""
        self._seen.pop(path, None)

    def complete(self) -> list[Path]:
        """Return those that are complete by now; they are held no longer."""
        ready = [path for path, seen in list(self._seen.items()) if self._is_complete(path, seen)]
        for path in ready:
            self.discard(path)
        return ready

    def _is_complete(self, path: Path, seen: _Seen) -> bool:
        stamp = file_stamp(path)
        now = self._clock()
        if stamp is None:
            self.discard(path)
            return False
        if stamp != seen.stamp:
            self.add(path)
            return False
        wanted = self._patience if seen.unreadable_once else self._stable_seconds
        if now - seen.since < wanted or is_open_for_writing(path):
            return False
        if not seen.unreadable_once:
            try:
                probe(path)
            except MediaError:
                seen.unreadable_once = True
                return False
        return file_stamp(path) == stamp
