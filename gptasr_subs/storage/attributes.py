"""What a file has besides its content: owner, group, rights, times, extended attributes, links."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from pathlib import Path

_log = logging.getLogger(__name__)


def protect(new: Path, old: Path) -> None:
    """Give ``new`` the rights of ``old`` and its owner's, before it is filled."""
    with contextlib.suppress(OSError):
        new.chmod(stat.S_IMODE(old.stat().st_mode) & 0o777 | stat.S_IRUSR | stat.S_IWUSR)


def copy_attributes(old: Path, new: Path, *, times: bool = False) -> None:
    """Give ``new``, which is to take the place of ``old``, all that ``old`` has besides its
    content.

    With ``times`` the time of change too. What the system does not allow is said in a warning where
    others can no longer read what they could. Nothing happens where there is no ``old``.
    """
    try:
        facts = old.stat()
    except OSError:
        return
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):
            os.chown(new, -1, facts.st_gid)
        with contextlib.suppress(OSError):
            os.chown(new, facts.st_uid, -1)
        now = new.stat()
        if (now.st_uid, now.st_gid) != (facts.st_uid, facts.st_gid):
            _log.warning(
                "%r belongs to you from now on: only its owner may keep it another's.", str(old)
            )
    with contextlib.suppress(OSError):
        new.chmod(stat.S_IMODE(facts.st_mode))
    # Extended attributes, lists of rights too, except those that only the system sets
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):
            for name in os.listxattr(old):
                with contextlib.suppress(OSError):
                    os.setxattr(new, name, os.getxattr(old, name))
    if times:
        with contextlib.suppress(OSError):
            os.utime(new, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def warn_of_links(path: Path) -> None:
    """Say it where a file has further names: they keep what it held before it is replaced."""
    with contextlib.suppress(OSError):
        others = path.stat().st_nlink - 1
        if others > 0:
            _log.warning(
                "%r has %d more name%s (hard links): what stands there stays as it was, "
                "and takes space of its own.",
                *(str(path), others, "" if others == 1 else "s"),
            )
