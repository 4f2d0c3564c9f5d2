"""Corpora in one format: a manifest of clips that lie in audio shards."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from gptasr_subs.errors import FormatError, MediaError
from gptasr_subs.storage.files import read_text, write_atomically
from gptasr_subs.types import FloatArray

MANIFEST_FILE = "manifest.tsv"  # of a corpus that is given as a folder
COLUMNS = ("file", "offset", "seconds", "speaker", "source", "licence", "text")

_FULL_SCALE = 32768


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance: ``seconds`` of ``file`` from ``offset``, spoken by ``speaker``, with its written text."""

    file: Path
    offset: float
    seconds: float
    speaker: str
    source: str
    licence: str
    text: str


Sound = tuple[Clip, FloatArray]  # and its samples (n_samples,)


def read_manifest(manifest: Path) -> list[Clip]:
    """Read a tab-separated manifest whose ``file`` (or ``path``) column is relative to the manifest's folder.

    Every other column may be missing: a clip is then the whole file, its source the manifest's name. A folder stands
    for the ``manifest.tsv`` in it. Raises ``FormatError``, and ``MediaError`` where a length is missing as well as the
    file.
    """
    return [clip if clip.seconds else _measured(clip) for clip in read_clips(manifest)]


def read_manifests(manifests: Iterable[Path]) -> list[Clip]:
    """The clips of all ``manifests``, one after the other; raises as ``read_manifest`` does."""
    return [clip for manifest in manifests for clip in read_manifest(manifest)]


def read_clips(*manifests: Path) -> Iterator[Clip]:
    """As ``read_manifests``, without a look at the sound: 0 seconds where a manifest does not say them."""
    files = [(_manifest(manifest), read_rows(manifest)) for manifest in manifests]
    return (_clip(manifest, row) for manifest, rows in files for row in rows)


def read_rows(manifest: Path) -> Iterator[dict[str, str]]:
    """Lines of a tab-separated file with a header; quotation marks are text. Raises ``FormatError``."""
    lines = io.StringIO(read_text(_manifest(manifest)), newline="")
    rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return ({name: value or "" for name, value in row.items() if name} for row in rows)


def write_manifest(manifest: Path, clips: Iterable[Clip]) -> None:
    """Write what ``read_manifest`` reads; files that do not lie below the manifest's folder by their full path."""
    lines = ["\t".join(COLUMNS), *("\t".join(_columns(manifest, clip)) for clip in clips)]
    write_atomically(manifest, "\n".join(lines) + "\n")


def _manifest(place: Path) -> Path:
    return place / MANIFEST_FILE if place.is_dir() else place


def _columns(manifest: Path, clip: Clip) -> tuple[str, ...]:
    below = clip.file.is_relative_to(manifest.parent)
    file = clip.file.relative_to(manifest.parent) if below else clip.file.absolute()
    place = file.as_posix(), f"{clip.offset:.6f}", f"{clip.seconds:.6f}"
    return *place, clip.speaker, clip.source, clip.licence, " ".join(clip.text.split())


def _clip(manifest: Path, row: dict[str, str]) -> Clip:
    name = row.get("file") or row.get("path")
    if not name:
        raise FormatError(f"A line of {manifest} names no file; give it a header with a column file or path.")
    file = manifest.parent / name
    try:
        offset, seconds = float(row.get("offset") or 0), float(row.get("seconds") or 0)
    except ValueError as error:
        raise FormatError(f"{manifest} has an offset or a length that is no number ({error}); correct it.") from error
    source = row.get("source") or manifest.stem
    return Clip(file, offset, seconds, row.get("speaker", ""), source, row.get("licence", ""), row.get("text", ""))


def _measured(clip: Clip) -> Clip:
    return replace(clip, seconds=sound_seconds(clip.file) - clip.offset)


def sound_seconds(file: Path) -> float:
    """Length of a sound file; raises ``MediaError``."""
    import soundfile

    try:
        return float(soundfile.info(file).duration)
    except (OSError, RuntimeError) as error:
        raise MediaError(f"{file} cannot be read as sound ({error}); correct the manifest.") from error


def read_samples(clips: Iterable[Clip], sample_rate: int) -> Iterator[Sound]:
    """Yield each clip with its mono samples at ``sample_rate``, reading every shard once. Raises ``MediaError``."""
    import soxr

    for file, group in groupby(clips, key=lambda clip: clip.file):
        mono, rate = read_sound(file)
        for clip in group:
            samples = cut(mono, rate, clip)
            yield clip, samples if rate == sample_rate else soxr.resample(samples, rate, sample_rate)


def cut(mono: FloatArray, rate: int, clip: Clip) -> FloatArray:
    """The samples of ``clip`` out of those of its file."""
    return mono[round(clip.offset * rate) : round((clip.offset + clip.seconds) * rate)]


def read_sound(file: Path) -> tuple[FloatArray, int]:
    """Mono samples (n_samples,) and their rate; raises ``MediaError``.

    They are rounded to 16 bits, whatever the file has: so a copy in a shard is the same sound, to the hash.
    """
    import soundfile

    try:
        sound, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise MediaError(f"{file} cannot be read as sound ({error}); correct the manifest.") from error
    mono: FloatArray = np.rint(sound.mean(1) * _FULL_SCALE).clip(-_FULL_SCALE, _FULL_SCALE - 1) / _FULL_SCALE
    return mono.astype(np.float32), rate
