"""Sonarr, Radarr and Lidarr: the events of their custom scripts, put into the queue.

They wait for the script, so it only enqueues; ``gptasr-subs jobs run`` or ``gptasr-subs watch``
does the work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from gptasr_subs.errors import MediaError, UsageError
from gptasr_subs.jobs.queue import Job, Queue, State
from gptasr_subs.media.sidecars import move_sidecars

# How each program calls its files; all its variables begin with its own name.
_FILES = {"sonarr": "episodefile", "radarr": "moviefile", "lidarr": "trackfile"}
# What is likely to be said of what they tell: a series or film is often named after somebody.
_NAMES = {"sonarr": "series_title", "radarr": "movie_title", "lidarr": "artist_name"}
# A path of a list is absolute, so any other "|" is part of a name
_BETWEEN_PATHS = re.compile(r"\|(?=/|\\\\|[A-Za-z]:[\\/]|$)")
_IMPORTS = frozenset({"download", "albumdownload", "importcomplete"})


class ArrEventKind(Enum):
    """What has happened; ``OTHER`` is nothing that concerns subtitles."""

    TEST = "test"
    IMPORT = "import"
    RENAME = "rename"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ArrEvent:
    """What a program reports: the files now, and for a renaming what each was called before.

    ``names`` may be said in them: the title of the series or film, the artist.
    """

    program: str
    kind: ArrEventKind
    paths: tuple[str, ...] = ()
    previous: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def read_event(environment: Mapping[str, str]) -> ArrEvent:
    """Return the event in these variables, whose names are in lower case on Linux and not so on
    Windows.

    Raises UsageError.
    """
    facts = {name.lower(): value for name, value in environment.items()}
    program = next((name for name in _FILES if facts.get(f"{name}_eventtype")), "")
    if not program:
        raise UsageError(
            "This is the custom script of Sonarr, Radarr or Lidarr, and none of them has called "
            "it; choose it there under Settings, Connect."
        )
    kind = facts[f"{program}_eventtype"].lower()
    files = f"{program}_{_FILES[program]}"
    if kind == "test":
        return ArrEvent(program, ArrEventKind.TEST)
    if kind in _IMPORTS:
        single = facts.get(f"{files}_path", "")  # a name may hold what separates names in lists
        listed = _listed(facts, f"{files}_paths") + _listed(facts, f"{program}_addedtrackpaths")
        unique = dict.fromkeys([single, *listed] if single else listed)
        name = facts.get(f"{program}_{_NAMES[program]}", "")
        return ArrEvent(program, ArrEventKind.IMPORT, tuple(unique), names=(name,) if name else ())
    if kind == "rename":
        paths = _listed(facts, f"{files}_paths")
        previous = _listed(facts, f"{files}_previouspaths")
        if len(paths) != len(previous):
            raise UsageError(
                f"{program.capitalize()} names {len(previous)} old and {len(paths)} new files; "
                "update it."
            )
        return ArrEvent(program, ArrEventKind.RENAME, paths, previous)
    return ArrEvent(program, ArrEventKind.OTHER)


def handle(
    event: ArrEvent,
    queue: Queue,
    options: Mapping[str, Any],
    mapping: Sequence[tuple[str, str]] = (),
) -> list[Job]:
    """Enqueue what was imported, let sidecars and jobs follow what was renamed.

    Gives the jobs that are new. ``mapping`` has pairs of a folder as the program calls it and as it
    is called here. Raises MediaError where a file is not here.
    """
    paths = [local_path(path, mapping) for path in event.paths]
    if event.kind is ArrEventKind.RENAME:
        for old, new in zip(event.previous, paths, strict=True):
            before = local_path(old, mapping)
            queue.move(before, new)
            move_sidecars(before, new)
    if event.kind is not ArrEventKind.IMPORT:
        return []
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise MediaError(
            f"{event.program.capitalize()} names the file {str(missing[0])!r}, which is not there "
            "on this computer; give --map FOLDER-THERE=FOLDER-HERE."
        )
    # Sonarr reports one import twice, file by file and when all is done.
    added: dict[Path, float] = {}
    for job in queue.jobs(State.WAITING, State.RUNNING, State.DONE, State.SKIPPED):
        added[job.path] = max(job.added, added.get(job.path, 0.0))
    arrived = [path for path in paths if path.stat().st_ctime > added.get(path.absolute(), 0.0)]
    return [queue.add(path, options) for path in arrived]


def parse_mapping(pairs: Sequence[str]) -> list[tuple[str, str]]:
    """Return each ``FOLDER-THERE=FOLDER-HERE`` in two. Raises UsageError."""
    split = [pair.partition("=") for pair in pairs]
    for there, equals, here in split:
        if not (there and equals and here):
            raise UsageError(
                "--map takes FOLDER-THERE=FOLDER-HERE, for example --map /tv=/mnt/media/tv."
            )
    return [(there, here) for there, _, here in split]


def local_path(path: str, mapping: Sequence[tuple[str, str]]) -> Path:
    """Return what a path of the program is called here.

    Those of Windows have other slashes, and ignore case.
    """
    for there, here in mapping:
        windows = "\\" in there or there[1:2] == ":"
        full = path.replace("\\", "/") if windows else path
        folder = there.replace("\\", "/") if windows else there
        folder = folder.rstrip("/") + "/"
        start = full[: len(folder)]
        if start == folder or (windows and start.lower() == folder.lower()):
            return Path(here, *filter(None, full[len(folder) :].split("/")))
    return Path(path)


def _listed(facts: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(path for path in _BETWEEN_PATHS.split(facts.get(name, "")) if path)
