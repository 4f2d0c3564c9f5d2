"""Clips ready for training: their samples in one mapped file, and a row of facts for each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gptasr_subs.corpora.audio import ClipAudio
from gptasr_subs.errors import UsageError
from gptasr_subs.storage.files import write_atomically
from gptasr_subs.types import FloatArray

SAMPLE_RATE = 16000  # Hz: what the open encoders read

_FULL_SCALE = 32768
_CLIPS_FILE = "clips.json"
_SAMPLES_FILE = "samples.i16"


class AudioStore:
    """The clips of some corpora, 16 kHz mono, 16 bits, with the text that is to be learned.

    The folder holds ``samples.i16``, clip after clip, and ``clips.json`` with a row a clip.
    """

    rows: list[dict[str, Any]]

    def __init__(self, folder: Path) -> None:
        """Open the store in ``folder``. Raises ``UsageError`` where there is none."""
        self.folder = folder
        if not (folder / _CLIPS_FILE).exists():
            raise UsageError(
                f"{folder} holds no store of clips; make one with: gptasr-subs-train prepare"
            )
        self.rows = json.loads((folder / _CLIPS_FILE).read_text(encoding="utf-8"))
        self._samples = np.memmap(folder / _SAMPLES_FILE, dtype=np.int16, mode="r")

    def __len__(self) -> int:
        """Clips in the store."""
        return len(self.rows)

    def samples(self, index: int) -> FloatArray:
        """Return samples (n_samples,) of one clip, -1 to 1."""
        row = self.rows[index]
        first = int(row["start"])
        samples: FloatArray = self._samples[first : first + int(row["samples"])].astype(np.float32)
        samples /= _FULL_SCALE
        return samples

    def text(self, index: int) -> str:
        """Written text of one clip; empty where there is no speech."""
        return str(self.rows[index]["text"])

    def source(self, index: int) -> str:
        """Corpus that one clip is from."""
        return str(self.rows[index]["source"])

    def length(self, index: int) -> int:
        """Return samples of one clip."""
        return int(self.rows[index]["samples"])

    def seconds(self, index: int) -> float:
        """Return the length of one clip in seconds."""
        return self.length(index) / SAMPLE_RATE


def write_store(sounds: Iterable[ClipAudio], folder: Path) -> None:
    """Write ``sounds`` at ``SAMPLE_RATE`` into ``folder``, a store once all are written."""
    folder.mkdir(parents=True, exist_ok=True)
    # The table is what makes it a store: it goes first and comes last.
    (folder / _CLIPS_FILE).unlink(missing_ok=True)
    rows = []
    start = 0
    temporary = folder / "samples.tmp"
    with temporary.open("wb") as out:
        for clip, samples in sounds:
            numbers = (samples * _FULL_SCALE).round().clip(-_FULL_SCALE, _FULL_SCALE - 1)
            out.write(numbers.astype("<i2").tobytes())
            facts = {**asdict(clip), "file": str(clip.file.resolve())}
            rows.append({"start": start, "samples": len(samples), **facts})
            start += len(samples)
    temporary.replace(folder / _SAMPLES_FILE)
    write_atomically(folder / _CLIPS_FILE, json.dumps(rows))
