"""Films at addresses such as ``s3://bucket/film.mkv`` (fsspec): fetched by the worker that does
them, their subtitles put back whole or not at all.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from gptasr_subs.errors import FarmError, MediaError, error_line
from gptasr_subs.farm.films import Film
from gptasr_subs.jobs.hooks import Event, event_of
from gptasr_subs.media.library import is_wanted
from gptasr_subs.pipeline.options import Options, Result
from gptasr_subs.pipeline.plan import target_paths
from gptasr_subs.storage.locks import lock_alone

_MARK = "://"
_FETCHED = "gptasr-farm"  # the folder of what is fetched, among the temporary files


def is_address(text: str) -> bool:
    """Whether this is the address of something in no file system of this machine."""
    return _MARK in text


def is_remote(film: Film) -> bool:
    """Whether a film, or the folder of its subtitles, has an address instead of a path."""
    return is_address(film.place) or bool(film.folder)


def find_films(address: str) -> list[tuple[str, int]]:
    """The address and the bytes of a film, or of all in and below a folder.

    Raises FarmError where it cannot be reached, MediaError where nothing is there.
    """
    with _as_farm_error(address):
        system, root = _open(address)
        if not system.exists(root):
            raise MediaError(f"There is nothing at {address!r}; check the address.")
        if system.isfile(root):
            return [(address, int(system.size(root) or 0))]
        found = system.find(root, detail=True)
    base = root.rstrip("/") + "/"
    films = [
        (str(system.unstrip_protocol(path)), int(facts.get("size") or 0))
        for path, facts in sorted(found.items())
        if is_wanted(Path(path.removeprefix(base)), Path())
    ]
    if not films:
        raise MediaError(f"{address!r} holds no media files; name a file to have it read.")
    return films


def subtitle_remote(film: Film, write: Callable[[Path, Options], Result]) -> Event:
    """Fetch a film, have ``write`` subtitle the copy, and put the results where they belong.

    Formats that are there already are left out. Raises FarmError, and what ``write`` raises.
    """
    wanted = target_addresses(film)
    if not film.options.overwrite:
        for name, address in list(wanted.items()):
            with _as_farm_error(address):
                system, path = _open(address)
                if system.exists(path):
                    del wanted[name]
    if not wanted:
        reason = "all that is asked for is there already"
        return Event(Path(film.place), "skipped", reason=reason, language=film.options.language)
    options = replace(film.options, formats=tuple(wanted), output_dir=None)
    with own_folder() as folder:
        media = folder / PurePosixPath(film.place).name
        with _as_farm_error(film.place):
            system, path = _open(film.place)
            system.get_file(path, str(media))
        result = write(media, options)
        for name, target in target_paths(media, options).items():
            _put(target, wanted[name])
    return replace(event_of(result, film.options), media=Path(film.place))


def target_addresses(film: Film) -> dict[str, str]:
    """The address, or the path, that each format of a film goes to."""
    folder = film.folder or film.options.output_dir or film.place.rpartition("/")[0]
    local = replace(film.options, output_dir=None)
    names = target_paths(Path(PurePosixPath(film.place).name), local)
    return {name: f"{str(folder).rstrip('/')}/{path.name}" for name, path in names.items()}


def _put(file: Path, address: str) -> None:
    """Copy a file to an address, under its name only once it is whole."""
    with _as_farm_error(address):
        system, target = _open(address)
        parent, _, _ = target.rpartition("/")
        temporary = f"{parent}/.gptasr-{secrets.token_hex(8)}.tmp"
        try:
            system.put_file(str(file), temporary)
            system.mv(temporary, target)  # a rename, or a copy that stores show once it is whole
        except BaseException:
            with suppress(Exception):
                system.rm_file(temporary)
            raise


def _open(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it."""
    import fsspec

    system, path = fsspec.core.url_to_fs(address)
    return system, str(path)


@contextmanager
def _as_farm_error(address: str) -> Iterator[None]:
    """Whatever a file system raises inside becomes a FarmError."""
    try:
        yield
    except (FarmError, MediaError):
        raise
    except ImportError as error:
        raise FarmError(
            f"{address!r} cannot be reached without another package ({error});"
            " install it on every machine."
        ) from error
    except Exception as error:  # each file system has errors of its own
        raise FarmError(
            f"{address!r} cannot be read or written ({error_line(error)});"
            " check the address and your rights."
        ) from error


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder for copies. What killed workers left in theirs is removed first."""
    root = Path(tempfile.gettempdir(), _FETCHED)
    root.mkdir(exist_ok=True)
    for lock in root.glob("*.lock"):
        with lock.open("ab") as file:
            if lock_alone(file.fileno()):  # whoever held it is dead
                _remove(lock)
    name = secrets.token_hex(8)
    lock = root / f"{name}.lock"
    with lock.open("ab") as file:
        lock_alone(file.fileno())
        folder = root / name
        folder.mkdir()
        try:
            yield folder
        finally:
            _remove(lock)


def _remove(lock: Path) -> None:
    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    lock.unlink(missing_ok=True)
