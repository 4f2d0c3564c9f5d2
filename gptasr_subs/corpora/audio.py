"""The sound of clips one by one, and why some have none: nothing that is wrong with a file ends the work."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gptasr_subs.corpora.manifest import Clip, cut, read_sound
from gptasr_subs.errors import MediaError
from gptasr_subs.types import FloatArray

_BREAKS_LINES = re.compile(r"[\t\n\r]")  # of a manifest


class Heard(NamedTuple):
    """A clip with its true length and its samples (n_samples,), or ``trouble``: the reason why there are none."""

    clip: Clip
    samples: FloatArray
    rate: int
    trouble: str


def hear(clips: Iterable[Clip]) -> Iterator[Heard]:
    """Every clip with its sound, in order; 0 seconds reach to the end of the file. Each file is read once."""
    for file, group in groupby(clips, key=lambda clip: clip.file):
        mono, rate, trouble = _sound(file)
        for clip in group:
            samples = cut(mono, rate, clip) if clip.seconds else mono[round(clip.offset * rate) :]
            silent = "" if samples.any() else "no sound"
            yield Heard(replace(clip, seconds=len(samples) / rate), samples, rate, trouble or silent)


def origin(clip: Clip) -> str:
    """Where a clip lies, in one column of a table."""
    return _BREAKS_LINES.sub("?", f"{clip.file.absolute()}@{clip.offset:.3f}")


def _sound(file: Path) -> tuple[FloatArray, int, str]:
    """Samples and rate, or what is wrong with the file."""
    nothing = np.zeros(0, np.float32), 1
    if _BREAKS_LINES.search(str(file)):
        return *nothing, "tab or line break in its name"
    if not file.exists():
        return *nothing, "file missing"
    try:
        return *read_sound(file), ""
    except MediaError:
        return *nothing, "unreadable"
