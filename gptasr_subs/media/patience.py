"""Input that gives nothing any more: a playlist that never ends, a share that is away."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOOKS = 8  # in the time after which patience ends
_SIGN_OF_LIFE = 1 << 20  # bytes read in that time; a playlist that is read again has fewer


class Patience:
    """Ends a process from which nothing has come for too long, while its output is waited for."""

    def __init__(self, child: subprocess.Popen[bytes], seconds: float) -> None:
        """``child`` is killed after ``seconds`` of waiting without a byte in or out."""
        self.is_over = False
        self._child = child
        self._seconds = seconds
        self._since: float | None = None  # when the present wait began
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Look at the process from time to time until the block ends."""
        self._thread.start()
        try:
            yield
        finally:
            self._done.set()
            self._thread.join()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Wait for output of the process; outside of this it may be silent."""
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def _look(self) -> None:
        read = 0
        since = time.monotonic()
        while not self._done.wait(self._seconds / _LOOKS):
            began = self._since
            now_read = 0  # where the system does not say
            with contextlib.suppress(OSError, IndexError, ValueError):
                facts = Path(f"/proc/{self._child.pid}/io").read_text()
                now_read = int(facts.split("rchar:")[1].split()[0])
            if began is None or now_read - read >= _SIGN_OF_LIFE:
                since = time.monotonic()
                read = now_read
            elif time.monotonic() - max(since, began) >= self._seconds:
                self.is_over = True
                self._child.kill()
                return
