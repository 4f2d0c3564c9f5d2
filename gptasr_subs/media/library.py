"""What a person points at (files, folders) as a list of media files."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gptasr_subs.errors import MediaError
from gptasr_subs.media.sidecars import BURNED

_log = logging.getLogger(__name__)

_VIDEO = "3g2 3gp asf avi divx f4v flv m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogm ogv rm rmvb ts vob webm wmv"
_AUDIO = "aac ac3 aif aiff amr ape au caf dts eac3 flac m4a m4b mka mp2 mp3 oga ogg opus ra spx wav weba wma wv"
MEDIA_EXTENSIONS = frozenset(f".{extension}" for extension in f"{_VIDEO} {_AUDIO}".split())


# How downloaders and unpackers mark what is not complete, or not meant for people.
_UNFINISHED = frozenset(
    {".part", ".partial", ".!qb", ".!ut", ".bc!", ".crdownload", ".download", ".aria2", ".filepart", ".tmp", ".temp"}
)
_PASSING_FOLDERS = ("_unpack_", "_failed_", ".", "@eadir")


def find_media(path: Path) -> list[Path]:
    """A file as it is, whatever it is called; of a folder all media files in and below it, sorted.

    Hidden files and folders are skipped, and videos that subtitles were drawn into; links to folders
    are not followed. Raises MediaError where there is nothing to read; a folder below that may not
    be read is named in a warning and left out.
    """
    if not _is_folder(path):
        return [path]
    found = list(_search(path))
    if not found:
        raise MediaError(f"The folder {str(path)!r} holds no media files; name a file to have it read all the same.")
    return found


def walk_media(folder: Path, on_error: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """All media files in and below a folder, sorted; see ``find_media``.

    ``on_error`` hears what cannot be listed.
    """
    for base, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(base, name) for name in sorted(names) if is_media_name(name))


def is_media_name(name: str) -> bool:
    """Whether a file of this name is media by its extension, neither hidden nor a copy with
    subtitles drawn in.
    """
    path = Path(name)
    return not name.startswith(".") and path.suffix.lower() in MEDIA_EXTENSIONS and not path.stem.endswith(BURNED)


def is_wanted(path: Path, root: Path) -> bool:
    """Whether a file below ``root`` is a video by its name: not hidden, temporary, or made by us."""
    names = path.relative_to(root).parts if path.is_relative_to(root) else (path.name,)
    if any(name.lower().startswith(_PASSING_FOLDERS) for name in names):
        return False
    return is_media_name(path.name) and _UNFINISHED.isdisjoint(suffix.lower() for suffix in path.suffixes)


def find_arrived(root: Path) -> Iterator[Path]:
    """All files in and below ``root`` that ``is_wanted`` lets pass.

    What cannot be listed is left out.
    """
    return (path for path in walk_media(root) if is_wanted(path, root))


def unique(paths: Iterable[Path]) -> list[Path]:
    """The paths without repetitions, as first written."""
    first: dict[Path, Path] = {}
    for path in paths:
        first.setdefault(path.absolute(), path)
    return list(first.values())


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError as error:
        raise MediaError(f"There is no file {str(path)!r}; check its name and folder.") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _search(folder: Path) -> Iterator[Path]:
    def report(error: OSError) -> None:
        if error.filename == str(folder):
            raise _unreadable(folder, error) from error
        _log.warning("The folder %r is left out: %s.", error.filename, _reason(error))

    return walk_media(folder, report)


def _unreadable(path: Path, error: OSError) -> MediaError:
    return MediaError(f"{str(path)!r} cannot be opened ({_reason(error)}); check its name and rights.")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
