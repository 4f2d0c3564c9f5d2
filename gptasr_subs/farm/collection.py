"""The films of folders and addresses, put into the queue of a farm: long ones first."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gptasr_subs.farm.addresses import find_films, is_address
from gptasr_subs.farm.manifest import Manifest
from gptasr_subs.jobs.queue import Queue
from gptasr_subs.media.library import AUDIO_EXTENSIONS, find_media

# Usual bytes a second, to tell long films from short ones without opening them
_AUDIO_BYTES = 16_000
_VIDEO_BYTES = 400_000


@dataclass
class Collected:
    """How many films wait, about how many seconds long; and how many a manifest knows as done."""

    films: int = 0
    seconds: float = 0.0
    known: int = 0


def films_at(place: str) -> Iterator[tuple[str, int]]:
    """Place and bytes of a film, or of those in and below a folder or an address.

    Raises MediaError where there is none, FarmError where an address cannot be reached.
    """
    if is_address(place):
        yield from find_films(place)
        return
    for path in find_media(Path(place)):
        try:
            size = path.stat().st_size
        except OSError:  # whoever does it will say what is wrong
            size = 0
        yield os.path.abspath(path), size  # noqa: PTH100


def add_films(
    queue: Queue,
    films: Iterable[tuple[str, int]],
    manifest: Manifest,
    *,
    collected: Collected,
    overwrite: bool,
) -> None:
    """Put films into the queue, each with its length in seconds as its priority.

    What the manifest knows to be done with the same settings is left out where it would be done
    again.
    """
    for place, size in films:
        if overwrite and manifest.is_done(place):
            collected.known += 1
            continue
        is_audio = PurePosixPath(place).suffix.lower() in AUDIO_EXTENSIONS
        guess = size / (_AUDIO_BYTES if is_audio else _VIDEO_BYTES)
        seconds = round(manifest.seconds_of(place) or guess)
        queue.add(place, priority=seconds)
        collected.films += 1
        collected.seconds += seconds
