"""The waveform of a film: the least and the greatest sample of each moment, as signed bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

import numpy as np

from gptasr_subs.media.decode import decode_blocks
from gptasr_subs.media.probe import AudioTrack
from gptasr_subs.storage.files import atomic_replace
from gptasr_subs.types import FloatArray

_RATE = 8000  # samples a second: more is not seen
_LOUDEST = 127


def moments(samples: FloatArray, count: int) -> bytes:
    """Pairs (least, greatest) of each ``count`` of ``samples`` (n,), 127 for full scale.

    The last moment may be shorter.
    """
    missing = -len(samples) % count
    padded = np.pad(samples, (0, missing), mode="edge") if missing else samples
    rows = padded.reshape(-1, count)
    pairs = np.stack([rows.min(1), rows.max(1)], axis=1)
    return np.round(pairs * _LOUDEST).astype(np.int8).tobytes()


def compute_peaks(
    media: Path, track: AudioTrack, per_second: int, target: Path
) -> Generator[bytes, None, None]:
    """Yield the peaks of a track while it is decoded; in the end ``target`` has all of them.

    ``per_second`` divides 8000. Raises MediaError. Where it is closed early, nothing is left.
    """
    count = _RATE // per_second
    blocks = decode_blocks(media, track=track, sample_rate=_RATE)
    with (
        atomic_replace(target) as temporary,
        contextlib.closing(blocks),  # type: ignore[type-var]
        temporary.open("wb") as file,
    ):
        for block in blocks:
            part = moments(block, count)
            file.write(part)
            yield part
