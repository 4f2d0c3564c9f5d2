"""The audio of clips: all at one sample rate, or one by one with what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gptasr_subs.corpora.manifest import Clip, read_clips
from gptasr_subs.errors import MediaError
from gptasr_subs.types import FloatArray

_BREAKS_LINES = re.compile(r"[\t\n\r]")  # of a manifest
_FULL_SCALE = 32768

ClipAudio = tuple[Clip, FloatArray]  # and its samples (n_samples,)


class LoadedClip(NamedTuple):
    """A clip with its true length and its samples (n_samples,).

    ``trouble`` is the reason why there are none.
    """

    clip: Clip
    samples: FloatArray
    rate: int
    trouble: str


def load_clips(clips: Iterable[Clip]) -> Iterator[LoadedClip]:
    """Yield every clip with its samples, in order.

    A clip of 0 seconds lasts to the end of its file. Each file is read once.
    """
    for file, group in groupby(clips, key=lambda clip: clip.file):
        mono: FloatArray = np.zeros(0, np.float32)
        rate = 1
        trouble = ""
        if _BREAKS_LINES.search(str(file)):
            trouble = "tab or line break in its name"
        elif not file.exists():
            trouble = "file missing"
        else:
            try:
                mono, rate = read_audio(file)
            except MediaError:
                trouble = "unreadable"
        for clip in group:
            samples = cut(mono, rate, clip) if clip.seconds else mono[round(clip.offset * rate) :]
            silent = "" if samples.any() else "silence"
            yield LoadedClip(
                replace(clip, seconds=len(samples) / rate), samples, rate, trouble or silent
            )


def origin(clip: Clip) -> str:
    """Return where a clip lies, in one column of a table."""
    return _BREAKS_LINES.sub("?", f"{clip.file.absolute()}@{clip.offset:.3f}")


def read_manifest(*manifests: Path) -> list[Clip]:
    """Read as ``manifest.read_clips`` does, with the length of every clip.

    Raises ``FormatError``, and ``MediaError`` where a length is missing as well as the file.
    """
    return [
        clip if clip.seconds else replace(clip, seconds=audio_seconds(clip.file) - clip.offset)
        for clip in read_clips(*manifests)
    ]


def audio_seconds(file: Path) -> float:
    """Return the length of an audio file; raises ``MediaError``."""
    import soundfile

    try:
        return float(soundfile.info(file).duration)
    except (OSError, RuntimeError) as error:
        raise MediaError(
            f"{file} cannot be read as audio ({error}); correct the manifest."
        ) from error


def read_samples(clips: Iterable[Clip], sample_rate: int) -> Iterator[ClipAudio]:
    """Yield each clip with its mono samples at ``sample_rate``, reading every shard once.

    Raises ``MediaError``.
    """
    import soxr

    for file, group in groupby(clips, key=lambda clip: clip.file):
        mono, rate = read_audio(file)
        for clip in group:
            samples = cut(mono, rate, clip)
            yield (
                clip,
                samples if rate == sample_rate else soxr.resample(samples, rate, sample_rate),
            )


def cut(mono: FloatArray, rate: int, clip: Clip) -> FloatArray:
    """Return the samples of ``clip`` out of those of its file."""
    return mono[round(clip.offset * rate) : round((clip.offset + clip.seconds) * rate)]


def read_audio(file: Path) -> tuple[FloatArray, int]:
    """Return mono samples (n_samples,) and their rate; raises ``MediaError``.

    They are rounded to 16 bits, whatever the file has, so that a copy in a shard has the same
    hash.
    """
    import soundfile

    try:
        audio, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise MediaError(
            f"{file} cannot be read as audio ({error}); correct the manifest."
        ) from error
    mono: FloatArray = (
        np.rint(audio.mean(1) * _FULL_SCALE).clip(-_FULL_SCALE, _FULL_SCALE - 1) / _FULL_SCALE
    )
    return mono.astype(np.float32), rate
