"""Corpora in one format: a manifest of clips that lie in audio shards, and their log-mels ready for training."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gptasr_subs.model.config import FrontEnd
from gptasr_subs.model.features import LogMel

COLUMNS = ("file", "offset", "seconds", "speaker", "source", "licence", "text")


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


def read_manifest(manifest: Path) -> list[Clip]:
    """Read a tab-separated manifest whose ``file`` column is relative to the manifest's folder."""
    with manifest.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        Clip(
            manifest.parent / row["file"],
            float(row["offset"]),
            float(row["seconds"]),
            row["speaker"],
            row["source"],
            row["licence"],
            row["text"] or "",
        )
        for row in rows
    ]


def read_samples(clips: Iterable[Clip], sample_rate: int) -> Iterator[tuple[Clip, NDArray[np.float32]]]:
    """Yield each clip with its mono samples at ``sample_rate``, reading every shard once."""
    import soundfile
    import soxr

    for file, group in groupby(clips, key=lambda clip: clip.file):
        sound, rate = soundfile.read(file, dtype="float32", always_2d=True)
        mono = sound.mean(1)
        for clip in group:
            cut = mono[round(clip.offset * rate) : round((clip.offset + clip.seconds) * rate)]
            yield clip, cut if rate == sample_rate else soxr.resample(cut, rate, sample_rate)


class MelStore:
    """Log-mels of a corpus on disk, float16 and before normalisation, so that training reads no audio.

    The folder holds ``mels.f16`` (frames, n_mels) and ``clips.json`` with a row a clip.
    """

    def __init__(self, folder: Path, n_mels: int = 80) -> None:
        """Open the store in ``folder``; it is mapped, not read."""
        self.rows = json.loads((folder / "clips.json").read_text(encoding="utf-8"))
        self._frames = np.memmap(folder / "mels.f16", np.float16, "r").reshape(-1, n_mels)

    def __len__(self) -> int:
        """Clips in the store."""
        return len(self.rows)

    def mel(self, index: int) -> NDArray[np.float32]:
        """Log-mel (n_frames, n_mels) of one clip."""
        row = self.rows[index]
        return self._frames[row["start"] : row["start"] + row["frames"]].astype(np.float32)

    def text(self, index: int) -> str:
        """Written text of one clip."""
        return str(self.rows[index]["text"])

    def seconds(self, index: int) -> float:
        """Length of one clip."""
        return float(self.rows[index]["seconds"])


def build_store(clips: list[Clip], folder: Path, front: FrontEnd) -> None:
    """Compute the log-mels of ``clips`` with ``front`` (levelled, not normalised) into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    log_mel, rows, start = LogMel(front), [], 0
    with (folder / "mels.tmp").open("wb") as out:
        for clip, samples in read_samples(clips, front.sample_rate):
            mel = log_mel.raw(log_mel.leveled(torch.from_numpy(np.ascontiguousarray(samples))[None]))[0].T
            out.write(mel.numpy().astype(np.float16).tobytes())
            facts = {"seconds": clip.seconds, "speaker": clip.speaker, "source": clip.source, "text": clip.text}
            rows.append({"start": start, "frames": len(mel), **facts})
            start += len(mel)
    (folder / "clips.json").write_text(json.dumps(rows), encoding="utf-8")
    os.replace(folder / "mels.tmp", folder / "mels.f16")


def mel_statistics(store: MelStore, clips: int = 2000) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each mel bin over some clips: the front end's ``shift`` and ``scale``."""
    chosen = np.random.default_rng(0).permutation(len(store))[:clips]
    frames = np.concatenate([store.mel(int(i)) for i in chosen])
    return tuple(frames.mean(0).round(4).tolist()), tuple(frames.std(0).round(4).tolist())
