"""Locks between processes, which end with them, however they end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":  # has no locks on folders

    @contextmanager
    def sharing(folder: Path, when_first: Callable[[], None]) -> Iterator[None]:
        """Lock nothing: others may be there."""
        yield

    def lock_alone(file: int) -> bool:
        """Lock nothing: whether another process has it is not known."""
        return False

else:
    from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock

    def lock_alone(file: int) -> bool:
        """Lock an open file or folder until it is closed; False where another process has it.

        Also False where the disk knows no locks.
        """
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except OSError:
            return False
        return True

    @contextmanager
    def sharing(folder: Path, when_first: Callable[[], None]) -> Iterator[None]:
        """Share a folder with other processes for the time of the block.

        ``when_first`` is called where none of them is there, before one can come.
        """
        lock = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):
                if lock_alone(lock):
                    when_first()
            with suppress(OSError):
                flock(lock, LOCK_SH)
            yield
        finally:
            os.close(lock)
