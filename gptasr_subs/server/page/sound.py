"""Stretches of a film's audio as WAV files in base64."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gptasr_subs.media.decode import decode_blocks
from gptasr_subs.media.probe import choose_track, probe

_RATE = 16000  # samples a second, as recognisers are trained with


def wavs_of(media: Path, spans: Sequence[tuple[float, float]]) -> Iterator[str]:
    """Yield the audio of each span (seconds), mono in 16 bits. Raises MediaError."""
    info = probe(media)
    track = info.audio[choose_track(info, None)]
    for start, end in spans:
        blocks = decode_blocks(
            media, track=track, sample_rate=_RATE, block_seconds=end - start, start=start
        )
        samples = next(blocks, np.zeros(0, np.float32))
        file = io.BytesIO()
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(_RATE)
            sound.writeframes((samples * 32767).astype("<i2").tobytes())
        yield base64.b64encode(file.getvalue()).decode()
