"""What a person points at (files, folders) as a list of media files."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gptasr_subs.errors import MediaError, system_reason
from gptasr_subs.media.sidecars import BURNED

_log = logging.getLogger(__name__)

_VIDEO = """
3g2 3gp asf avi divx f4v flv m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogm ogv rm rmvb ts vob webm wmv
"""
_AUDIO = """
aac ac3 aif aiff amr ape au caf dts eac3 flac m4a m4b mka mp2 mp3 oga ogg opus ra spx wav weba
wma wv
"""
AUDIO_EXTENSIONS = frozenset(f".{extension}" for extension in _AUDIO.split())
MEDIA_EXTENSIONS = AUDIO_EXTENSIONS | {f".{extension}" for extension in _VIDEO.split()}

# How downloaders and unpackers mark what is not complete. Between the name and the extension of a
# video only marks in lower case count, as programs write them: "The.Temp.mkv" is a title.
_MARKED = frozenset({".part", ".partial", ".tmp", ".temp"})
_UNPACKING = ("_unpack_", "_failed_")
# Recycle bins, previews and snapshots of NAS and operating systems.
_SYSTEM_FOLDERS = frozenset({
    "#recycle", "#snapshot", "$recycle.bin", "@eadir", "@recently-snapshot", "@recycle",
    "@sharebin", "@sharesnap", "@tmp", "lost+found", "lost.dir", "network trash folder",
    "recycled", "recycler", "system volume information", "temporary items", "~snapshot",
})  # fmt: skip


def find_media(path: Path) -> list[Path]:
    """Return a file as it is, whatever it is called; of a folder all media files in and below it,
    sorted.

    What ``is_wanted`` does not let pass is skipped; links to folders are not followed. Raises
    MediaError where there is nothing to read; a folder below that may not be read is named in a
    warning and left out.
    """
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError as error:
        raise MediaError(f"There is no file {str(path)!r}; check its name and folder.") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    if not is_folder:
        return [path]

    def report(error: OSError) -> None:
        if error.filename == str(path):
            raise _unreadable(path, error) from error
        _log.warning("The folder %r is left out: %s.", error.filename, system_reason(error))

    found = list(find_arrived(path, report))
    if not found:
        raise MediaError(
            f"The folder {str(path)!r} holds no media files; "
            "name a file to have it read all the same."
        )
    return found


def find_arrived(folder: Path, on_error: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """Yield all files in and below a folder that ``is_wanted`` lets pass, sorted.

    ``on_error`` is called with what cannot be listed.
    """
    for base, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = sorted(name for name in folders if not _folder_objection(name))
        for path in (Path(base, name) for name in sorted(names)):
            if is_wanted(path, folder):
                yield path
            elif _is_marked(path):  # a person may have meant it as a title
                _log.warning("%r is left out: %s.", str(path), _file_objection(path))


def is_wanted(path: Path, root: Path) -> bool:
    """Return whether a file below ``root`` is media by its name; see ``name_objection``."""
    return not name_objection(path, root)


def name_objection(path: Path, root: Path) -> str:
    """Return why a file below ``root`` is left alone because of its name and folders; empty if it
    is not.

    Left alone is what is hidden, incomplete, thrown away, made by us, or no media.
    """
    folders = path.relative_to(root).parts[:-1] if path.is_relative_to(root) else ()
    objections = (*map(_folder_objection, folders), _file_objection(path))
    return next(filter(None, objections), "")


def _folder_objection(name: str) -> str:
    if name.lower() in _SYSTEM_FOLDERS:
        return f"the folder {name!r} holds what was thrown away or what the system keeps"
    if name.lower().startswith(_UNPACKING):
        return f"the folder {name!r} is being unpacked, or could not be"
    return f"the folder {name!r} is hidden" if _is_hidden(name) else ""


def _file_objection(path: Path) -> str:
    if _is_hidden(path.name):
        return "its name begins with a dot, so it is hidden"
    if path.suffix.lower() not in MEDIA_EXTENSIONS:
        return f"its extension {path.suffix!r} is none of media"
    if path.stem.endswith(BURNED):
        return f"it is a copy with subtitles in the picture ({BURNED})"
    if _is_marked(path):
        mark = Path(path.stem).suffix
        return f"{mark!r} in its name says that it is not complete; rename it if it is"
    return ""


def _is_marked(path: Path) -> bool:
    return path.suffix.lower() in MEDIA_EXTENSIONS and Path(path.stem).suffix in _MARKED


def _is_hidden(name: str) -> bool:
    return name.startswith(".") and not name.startswith("...")  # "...And Justice for All"


def unique(paths: Iterable[Path]) -> list[Path]:
    """Return the paths without repetitions, as first written."""
    first: dict[Path, Path] = {}
    for path in paths:
        first.setdefault(path.absolute(), path)
    return list(first.values())


def _unreadable(path: Path, error: OSError) -> MediaError:
    return MediaError(
        f"{str(path)!r} cannot be opened ({system_reason(error)}); check its name and rights."
    )
