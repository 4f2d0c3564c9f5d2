"""Synthesisers that read sentences for training, found by name where they are installed."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from gptasr_subs.errors import UsageError
from gptasr_subs.types import FloatArray

Sound = tuple[FloatArray, int]  # mono samples, rate in Hz

_REMEDIES = {
    "hibari": "install it with: pip install hibari-tts",
    "flite": "install the program flite",
}
_PLAYBACK = (0.85, 1.18)  # of its own rate at which a voice is played, lowest and highest
_SPEAKING_SECONDS = 60  # after which a synthesiser is taken to hang


class Voice(Protocol):
    """A synthesiser with one speaker at a time.

    ``name`` is the speaker of the last clip, ``licence`` the voice's.
    """

    name: str
    source: str
    licence: str

    def speak(self, text: str, rng: np.random.Generator) -> Sound:
        """Read ``text``; pace and the like are drawn from ``rng``.

        ``ValueError``: this text it cannot read.
        """


def find_voices(names: Sequence[str]) -> list[Voice]:
    """Return voices by name: hibari, flite (all of its voices) or flite-VOICE.

    Raises ``UsageError`` for a name that is none, or one whose synthesiser is not installed.
    """
    voices: list[Voice] = []
    for name in names:
        kind, _, part = name.partition("-")
        if kind not in _REMEDIES:
            choices = ", ".join(_REMEDIES)
            raise UsageError(f"There is no synthesiser {name!r}; take one of {choices}.")
        try:
            if kind == "hibari":
                voices.append(HibariVoice())
            else:
                voices += [FliteVoice(voice) for voice in ([part] if part else FliteVoice.voices)]
        except (ImportError, FileNotFoundError) as error:
            raise UsageError(
                f"The synthesiser {name!r} is not complete here ({error}); {_REMEDIES[kind]}."
            ) from error
    return voices


class HibariVoice:
    """The voice bundled with ``hibari-tts``."""

    source = "hibari"
    licence = "Apache-2.0"

    def __init__(self) -> None:
        """Load the voice."""
        from hibari import Hibari

        self.name = "hibari-heart"
        self._engine = Hibari()

    def speak(self, text: str, rng: np.random.Generator) -> Sound:
        """Pace and size of the speaker vary."""
        samples = self._engine(text, speed=rng.uniform(0.85, 1.25), seed=int(rng.integers(1 << 30)))
        # Played at another rate, pitch and formants move together, as from one throat to another.
        rate = self._engine.sample_rate * rng.uniform(*_PLAYBACK)
        return np.asarray(samples, np.float32), round(rate)


class FliteVoice:
    """A voice of the ``flite`` program: slt, rms, awb or kal16."""

    source = "flite"
    licence = "BSD-like"
    voices = ("slt", "rms", "awb", "kal16")

    def __init__(self, voice: str) -> None:
        """Raises ``FileNotFoundError`` where the program is not installed."""
        subprocess.run(["flite", "--version"], capture_output=True)
        self.voice = voice
        self.name = f"flite-{voice}"

    def speak(self, text: str, rng: np.random.Generator) -> Sound:
        """Pace varies."""
        import soundfile

        stretch = f"duration_stretch={rng.uniform(0.8, 1.15):.3f}"
        with tempfile.TemporaryDirectory() as folder:
            wav = f"{folder}/out.wav"
            command = ["flite", "-voice", self.voice, "--setf", stretch, "-t", text, "-o", wav]
            subprocess.run(command, check=True, capture_output=True, timeout=_SPEAKING_SECONDS)
            samples, rate = soundfile.read(wav, dtype="float32")
        return samples, rate
