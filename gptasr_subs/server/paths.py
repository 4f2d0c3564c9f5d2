"""Files of this computer that clients may name. No link and no ``..`` leads out of the folders that
the settings allow.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from gptasr_subs.server.settings import Settings


def mapped_file(name: str, settings: Settings) -> Path | None:
    """Return the file of a mapped folder that a client calls ``name``; None if there is none."""
    for theirs, ours in settings.maps:
        if not PurePosixPath(name).is_relative_to(theirs) or "\0" in name:
            continue
        try:
            path = (ours / PurePosixPath(name).relative_to(theirs)).resolve()
            if path.is_relative_to(ours) and path.is_file():
                return path
        except (OSError, RuntimeError):  # a name too long, links in a circle
            continue
    return None


def may_be_sent(path: Path, settings: Settings) -> bool:
    """Return whether clients may have the content of a file that a job of the queue names.

    Others put jobs in as well, so to other computers only what lies in roots and mapped folders is
    sent.
    """
    if settings.is_local:
        return True
    folders = [*settings.roots, *(ours for _, ours in settings.maps)]
    try:
        return any(path.resolve().is_relative_to(folder) for folder in folders)
    except (OSError, RuntimeError):
        return False


def allowed_file(name: str, settings: Settings) -> Path | None:
    """Return the file at this path, without links in it; None if there is none in any root."""
    return _allowed(name, settings, Path.is_file)


def allowed_folder(name: str, settings: Settings) -> Path | None:
    """Return the folder at this path, without links in it; None if there is none in any root."""
    return _allowed(name, settings, Path.is_dir)


def _allowed(name: str, settings: Settings, is_wanted: Callable[[Path], bool]) -> Path | None:
    try:
        path = Path(name).resolve()
        is_ours = any(path.is_relative_to(root) for root in settings.roots)
        return path if is_ours and is_wanted(path) else None
    except (OSError, RuntimeError, ValueError):
        return None
