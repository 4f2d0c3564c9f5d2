"""Corpora in one format: a manifest of clips that lie in audio shards, and their log-mels ready for training."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gptasr_subs.errors import FormatError, MediaError, UsageError
from gptasr_subs.model.config import GENERATION_2, FrontEnd
from gptasr_subs.model.features import LogMel
from gptasr_subs.storage.files import read_text, write_atomically
from gptasr_subs.training.augmentation import Mel
from gptasr_subs.types import FloatArray

MANIFEST_FILE = "manifest.tsv"  # of a corpus that is given as a folder
COLUMNS = ("file", "offset", "seconds", "speaker", "source", "licence", "text")
STORE_FRONT = replace(GENERATION_2, level=0.06)  # all clips equally loud, whatever their corpus

_LEAST_DEVIATION = 0.1
_FULL_SCALE = 32768
_CLIPS_FILE, _MELS_FILE, _FRONT_FILE = "clips.json", "mels.f16", "front.json"


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


class MelStore:
    """Log-mels of a corpus on disk, float16 and before normalisation, so that training reads no audio.

    The folder holds ``mels.f16`` (frames, n_mels), ``clips.json`` with a row a clip, and the front end.
    """

    rows: list[dict[str, Any]]

    def __init__(self, folder: Path, n_mels: int = 80) -> None:
        """Open the store in ``folder``; it is mapped, not read. Raises ``UsageError`` where there is none."""
        self.folder = folder
        if not (folder / _CLIPS_FILE).exists():
            raise UsageError(f"{folder} holds no store of clips; make one with: gptasr-subs-train prepare")
        self.rows = json.loads((folder / _CLIPS_FILE).read_text(encoding="utf-8"))
        self.front = _read_front(folder / _FRONT_FILE)
        self._frames = np.memmap(folder / _MELS_FILE, np.float16, "r").reshape(-1, n_mels)

    def __len__(self) -> int:
        """Clips in the store."""
        return len(self.rows)

    def mel(self, index: int) -> Mel:
        """Log-mel (n_frames, n_mels) of one clip."""
        start, frames = self.place(index)
        return self._frames[start : start + frames].astype(np.float32)

    def place(self, index: int) -> tuple[int, int]:
        """First frame of one clip among those of the whole store, and how many it has."""
        row = self.rows[index]
        return int(row["start"]), int(row["frames"])

    def clip(self, index: int) -> Clip:
        """The clip whose log-mel this is, with the file of its sound."""
        row = self.rows[index]
        return Clip(Path(row["file"]), *(row[column] for column in COLUMNS[1:]))

    def text(self, index: int) -> str:
        """Written text of one clip."""
        return str(self.rows[index]["text"])

    def seconds(self, index: int) -> float:
        """Length of one clip."""
        return float(self.rows[index]["seconds"])


def build_store(
    clips: Sequence[Clip],
    folder: Path,
    front: FrontEnd = STORE_FRONT,
    change: Callable[[Iterator[Sound]], Iterator[Sound]] | None = None,
) -> None:
    """Compute the log-mels of ``clips`` with ``front`` (levelled, not normalised) into ``folder``.

    ``change`` may leave out clips with their samples, and add others. There is no store until all of it is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _CLIPS_FILE).unlink(missing_ok=True)
    sounds = read_samples(clips, front.sample_rate)
    temporary = folder / "mels.tmp"
    rows = _write_mels(change(sounds) if change else sounds, temporary, LogMel(front))
    temporary.replace(folder / _MELS_FILE)
    write_atomically(folder / _FRONT_FILE, json.dumps(asdict(front)))
    write_atomically(folder / _CLIPS_FILE, json.dumps(rows))


def _write_mels(sounds: Iterable[Sound], file: Path, log_mel: LogMel) -> list[dict[str, Any]]:
    rows, start = [], 0
    with file.open("wb") as out:
        for clip, samples in sounds:
            mel = store_mel(log_mel, samples)
            out.write(mel.astype(np.float16).tobytes())
            facts = {**asdict(clip), "file": str(clip.file.resolve())}
            rows.append({"start": start, "frames": len(mel), **facts})
            start += len(mel)
    return rows


def store_mel(log_mel: LogMel, samples: FloatArray) -> Mel:
    """Log-mel (n_frames, n_mels) of ``samples`` as a store holds it: levelled, not normalised."""
    sound = torch.from_numpy(np.ascontiguousarray(samples))[None]
    with torch.no_grad():
        mel: Mel = log_mel.raw(log_mel.leveled(sound))[0].T.contiguous().numpy()
    return mel


def _read_front(file: Path) -> FrontEnd:
    if not file.exists():  # the first stores had one front end only
        return STORE_FRONT
    return FrontEnd(**{**json.loads(file.read_text(encoding="utf-8")), "shift": (), "scale": ()})


def normalised(mel: Mel, front: FrontEnd) -> Mel:
    """A log-mel (n_frames, n_mels) of a store as a network with the front end ``front`` reads it."""
    shift, scale = (np.array(column, np.float32) for column in (front.shift or (0.0,), front.scale or (1.0,)))
    normal: Mel = (mel - shift) / scale
    return normal


def mel_statistics(store: MelStore, clips: int = 2000) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each mel bin over some clips: the front end's ``shift`` and ``scale``.

    Bins above the band of the corpus never change; their deviation is taken as ``_LEAST_DEVIATION``.
    """
    chosen = np.random.default_rng(0).permutation(len(store))[:clips]
    frames: NDArray[np.float32] = np.concatenate([store.mel(int(i)) for i in chosen])
    return tuple(frames.mean(0).round(4).tolist()), tuple(frames.std(0).clip(_LEAST_DEVIATION).round(4).tolist())
