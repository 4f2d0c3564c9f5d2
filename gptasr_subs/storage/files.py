"""Files that are either whole or not there, and text of unknown encoding."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from itertools import count
from pathlib import Path

from gptasr_subs.errors import FormatError, OutputError, system_reason
from gptasr_subs.storage.attributes import copy_attributes, protect, warn_of_links
from gptasr_subs.storage.encoding import Decoded, decode

MIB = 1 << 20  # bytes

_log = logging.getLogger(__name__)

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or write elsewhere",
    errno.EDQUOT: "your disk quota is used up; free some space or write elsewhere",
    errno.EFBIG: "the file would be larger than is allowed here; write elsewhere",
    errno.EROFS: "the disk is read-only; write elsewhere",
    errno.EACCES: "you may not write there; change the rights of the folder or write elsewhere",
    errno.EPERM: "you may not write there; change the rights of the folder or write elsewhere",
    errno.ENOENT: "the folder does not exist; create it first",
    errno.ENOTDIR: "a part of its path is a file, not a folder; write elsewhere",
    errno.EEXIST: "there is a file of that name; choose another name",
    errno.EISDIR: "there is a folder of that name; choose another name",
    errno.ENAMETOOLONG: "the name is too long for this disk; choose a shorter one",
}


def write_atomically(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file whole: what stood there before stays until all is on disk.

    Text becomes UTF-8 without a byte order mark, its line ends as they are. A symbolic link keeps
    pointing where it does; a pipe or a device is written to directly. Raises OutputError.
    """
    data = content if isinstance(content, bytes) else content.encode("utf-8", errors="replace")
    is_special = False
    with contextlib.suppress(OSError, ValueError):  # writing will say what is wrong with the name
        mode = Path(path).stat().st_mode
        is_special = not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    if is_special:
        try:
            Path(path).write_bytes(data)
        except OSError as error:
            raise write_error(path, error) from error
    else:
        with atomic_replace(path) as temporary:
            temporary.write_bytes(data)


def cut_torn_line(path: Path) -> int:
    """Remove a last line that a kill cut off; return how many bytes of whole lines there are."""
    data = path.read_bytes() if path.exists() else b""
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
    return whole


def keep_copy(path: Path) -> Path:
    """Return a copy of a file beside it under a name that is free, ``movie.en.srt.bak`` for one.

    Raises OutputError.
    """
    names = (f"{path.name}.bak{number or ''}" for number in count())
    copy = next(other for name in names if not os.path.lexists(other := path.with_name(name)))
    try:
        shutil.copy2(path, copy)
    except OSError as error:
        raise write_error(copy, error) from error
    return copy


def refuse_existing(path: Path) -> None:
    """Raise OutputError before the long work that would end in replacing this file."""
    if os.path.lexists(path):
        raise OutputError(
            f"{str(path)!r} is there already; choose another name or give --overwrite."
        )


@contextlib.contextmanager
def atomic_replace(path: str | os.PathLike[str], *, keep_times: bool = False) -> Iterator[Path]:
    """An empty file to fill, beside ``path``, whose place it takes in one step when the block ends
    without an error.

    Until then what stood there stays, and after an error it still does. Its owner, rights and
    attributes stay in any case, and with ``keep_times`` the time of its last change. An OSError
    becomes an OutputError.
    """
    target = Path(os.path.realpath(path))
    # Short: the target's name may fill its limit
    temporary = target.with_name(f"{_temporary_prefix(target)}{secrets.token_hex(8)}.tmp")
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        # "x" with the usual rights: the files of tempfile are for their owner only, and media
        # servers are others.
        temporary.open("xb").close()
        protect(temporary, target)
        warn_of_links(target)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        copy_attributes(target, temporary, times=keep_times)
        temporary.replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise write_error(path, error) from error
        raise


def remove_abandoned(path: str | os.PathLike[str]) -> None:
    """Remove what writers of ``path`` left that died before its place was taken.

    One that lives all the same fails when it takes the place, and what stands there stays.
    """
    target = Path(os.path.realpath(path))
    prefix = _temporary_prefix(target)
    with contextlib.suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            if entry.name.startswith(prefix):
                Path(entry.path).unlink(missing_ok=True)


def _temporary_prefix(target: Path) -> str:
    name = blake2b(os.fsencode(target.name), digest_size=4).hexdigest()
    return f".gptasr-{name}-"


def write_error(path: str | os.PathLike[str], error: OSError) -> OutputError:
    """Return the error of a file that could not be written, with what to do about it."""
    reason = _REASONS.get(error.errno or 0, system_reason(error))
    return OutputError(f"{os.fspath(path)!r} could not be written: {reason}.")


def file_stamp(media: Path) -> tuple[int, int, int] | None:
    """Return the number, size and time of a file, which renaming keeps and any change does not.

    None if there is no file.
    """
    try:
        facts = media.stat()
    except (OSError, ValueError):
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def read_text(path: str | os.PathLike[str]) -> str:
    r"""The text of a file of any usual encoding, with ``\n`` line ends and no byte order mark.

    What had to be assumed for that is said in a warning. Raises FormatError when there is no such
    file or it does not hold text.
    """
    decoded = read_decoded(path)
    if decoded.assumed:
        _log.warning("%r: %s", os.fspath(path), decoded.assumed)
    return decoded.text


def read_decoded(path: str | os.PathLike[str]) -> Decoded:
    """Read as ``read_text`` does, and return what was assumed instead of warning of it."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FormatError(
            f"{os.fspath(path)!r} could not be read: {system_reason(error)}."
        ) from error
    decoded = decode(data)
    if "\0" in decoded.text:
        raise FormatError(f"{os.fspath(path)!r} holds no text; give a subtitle or text file.")
    # Careless copying makes CR CR LF
    return replace(decoded, text=re.sub("\r*\n|\r", "\n", decoded.text))
