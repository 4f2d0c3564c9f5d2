"""Sounds whose boundaries are known to the sample, and media files that ffmpeg makes of them.

Sounds are mono float32 (n_samples,) at ``RATE``; ``place`` puts them at their times, ``make_media``
wraps them up.
"""

from __future__ import annotations

import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gptasr_subs.media.ffmpeg import find_ffmpeg
from gptasr_subs.types import FloatArray

RATE = 16000
SYLLABLE = 0.2  # seconds


def silence(seconds: float) -> FloatArray:
    return np.zeros(round(seconds * RATE), np.float32)


def tone(seconds: float, hertz: float = 440.0, level: float = 0.3) -> FloatArray:
    """A sine, at full level from its first sample on."""
    return (level * np.cos(2 * np.pi * hertz * _times(seconds))).astype(np.float32)


def chords(seconds: float, each: float = 2.0, level: float = 0.1) -> FloatArray:
    """Sustained major and minor chords, a new one every ``each`` seconds, six harmonics a note."""
    rng = np.random.default_rng(7)
    parts = [
        _chord(each, 110 * 2 ** (rng.integers(12) / 12), rng)
        for _ in range(int(seconds / each) + 1)
    ]
    return _with_level(np.concatenate(parts)[: round(seconds * RATE)], level)


def noise(seconds: float, level: float = 0.03, slope: float = 0.0, seed: int = 0) -> FloatArray:
    """Noise of RMS ``level`` whose power falls as frequency ** ``slope`` (1 pink, 2 brown)."""
    samples = round(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(samples))
    hertz = np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 20)
    return _with_level(np.fft.irfft(spectrum / hertz ** (slope / 2), samples), level)


def speech(seconds: float, level: float = 0.1, seed: int = 0) -> FloatArray:
    """Sound that changes as speech does: syllables of gliding pitch under two gliding formants.

    Every fifth syllable begins with a hiss. First and last sample are within 10 ms of full level.
    """
    rng = np.random.default_rng(seed)
    count = max(1, round(seconds / SYLLABLE))
    syllables = [_syllable(seconds / count, rng, hiss=index % 5 == 4) for index in range(count)]
    sound = np.concatenate(syllables)
    return _with_level(
        np.pad(sound, (0, max(0, round(seconds * RATE) - len(sound))))[: round(seconds * RATE)],
        level,
    )


def place(seconds: float, *sounds: tuple[float, FloatArray], floor: float = 0.0005) -> FloatArray:
    """``sounds``, each from its time (s) on, in ``seconds`` of room tone of RMS ``floor``."""
    whole = noise(seconds, floor, seed=99) if floor else silence(seconds)
    for start, sound in sounds:
        begin = round(start * RATE)
        whole[begin : begin + len(sound)] += sound[: len(whole) - begin]
    return whole


@dataclass(frozen=True)
class Track:
    """An audio track that starts ``late`` seconds in; ``marks`` are of ffmpeg's -disposition."""

    sound: FloatArray
    language: str = ""
    title: str = ""
    marks: str = "0"
    late: float = 0.0
    channels: int = 1


def make_media(
    path: Path,
    *tracks: Track | FloatArray,
    video: float = 0.0,
    fps: str = "25",
    size: str = "64x48",
    subtitles: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Path:
    """A media file of any kind ffmpeg writes, by the extension of ``path``.

    ``video``: seconds of picture; ``subtitles``: the languages of text tracks; ``options`` go
    before the output.
    """
    inputs, mapping = _sound_inputs(
        path, [track if isinstance(track, Track) else Track(track) for track in tracks]
    )
    if video:
        inputs += ["-f", "lavfi", "-i", f"testsrc=duration={video}:rate={fps}:size={size}"]
        mapping += ["-map", f"{len(tracks)}:v", "-pix_fmt", "yuv420p"]
    first_text = len(tracks) + bool(video)
    for index, language in enumerate(subtitles):
        inputs += ["-i", f"file:{_text_file(path.with_name(f'{index}.srt'))}"]
        mapping += [
            "-map",
            f"{first_text + index}:s",
            f"-metadata:s:s:{index}",
            f"language={language}",
        ]
    run_ffmpeg(*inputs, *mapping, *options, _address(path))
    return path


def cut_hole(source: Path, path: Path, start: float, end: float) -> Path:
    """A copy without the audio between two times (s), while the time stamps after it stay."""
    kept = f"aselect=lt(t\\,{start})+gte(t\\,{end})"
    run_ffmpeg("-i", _address(source), "-af", kept, "-c:a", "pcm_s16le", _address(path))
    return path


def turn(film: Path) -> None:
    """Let players show the picture upright, as telephones do: by the matrices of the tracks."""
    plain = b"\0\1\0\0" + bytes(12) + b"\0\1\0\0" + bytes(12) + b"@\0\0\0"
    turned = bytes(4) + b"\0\1\0\0" + bytes(4) + b"\xff\xff\0\0" + bytes(16) + b"@\0\0\0"
    head, *tracks = film.read_bytes().split(plain)
    film.write_bytes(head + plain + turned.join(tracks))  # the first is that of the whole film


def write_wav(path: Path, sound: FloatArray, channels: int = 1) -> Path:
    """A 16 bit sound file; with several channels, the sound is the same in all."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        samples = np.round(np.clip(sound, -1, 1) * 32767).astype("<i2")
        file.writeframes(np.repeat(samples, channels).tobytes())
    return path


def run_ffmpeg(*arguments: str) -> None:
    """ffmpeg as the package finds it; raises CalledProcessError if it fails."""
    command = [find_ffmpeg(), "-v", "error", "-nostdin", "-y", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def read_with_ffmpeg(path: Path, *arguments: str) -> bytes:
    """What ffmpeg makes of a file; ``arguments`` say what, and in which format."""
    command = [find_ffmpeg(), "-v", "error", "-i", f"file:{path}", *arguments, "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def onsets(
    sound: FloatArray, rate: int = RATE, level: float = 0.05, apart: float = 0.1
) -> list[float]:
    """When sound louder than ``level`` begins after at least ``apart`` seconds without any."""
    loud = np.flatnonzero(np.abs(sound) > level) / rate
    return [float(loud[0]), *loud[1:][np.diff(loud) > apart].tolist()] if len(loud) else []


def _address(path: Path) -> str:
    return f"file:{path.absolute()}"


def _sound_inputs(path: Path, tracks: Sequence[Track]) -> tuple[list[str], list[str]]:
    inputs: list[str] = []
    mapping: list[str] = []
    for index, track in enumerate(tracks):
        wav = write_wav(path.with_name(f"{index}.track.wav"), track.sound, track.channels)
        inputs += ["-itsoffset", str(track.late), "-i", _address(wav)]
        mapping += ["-map", f"{index}:a", f"-disposition:a:{index}", track.marks]
        mapping += (
            [f"-metadata:s:a:{index}", f"language={track.language}"] if track.language else []
        )
        mapping += [f"-metadata:s:a:{index}", f"title={track.title}"] if track.title else []
    return inputs, mapping


def _text_file(path: Path) -> Path:
    path.write_text("1\n00:00:00,500 --> 00:00:01,000\nHello\n", encoding="utf-8")
    return path


def _times(seconds: float) -> FloatArray:
    return np.arange(round(seconds * RATE)) / RATE  # type: ignore[return-value]


def _with_level(sound: FloatArray, level: float) -> FloatArray:
    return (sound * (level / max(float(np.sqrt(np.mean(sound**2))), 1e-9))).astype(np.float32)


def _chord(seconds: float, root: float, rng: np.random.Generator) -> FloatArray:
    notes = [root, root * 2 ** (rng.choice([3, 4]) / 12), root * 2 ** (7 / 12)]
    partials = [(note * harmonic, 1 / harmonic) for note in notes for harmonic in range(1, 7)]
    time = _times(seconds)
    sound = sum(
        gain * np.sin(2 * np.pi * hertz * time + rng.uniform(0, 6)) for hertz, gain in partials
    )
    return np.minimum(1, np.minimum(time, seconds - time) / 0.02) * sound


def _syllable(seconds: float, rng: np.random.Generator, hiss: bool) -> FloatArray:
    time = _times(seconds)
    along = time / seconds
    pitch = np.linspace(*rng.uniform(100, 180, 2), len(time))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    formants = [
        np.linspace(*rng.uniform(300, 900, 2), len(time)),
        np.linspace(*rng.uniform(1000, 2500, 2), len(time)),
    ]
    voice = np.zeros(len(time))
    for harmonic in range(1, 30):
        gain = sum(np.exp(-(((harmonic * pitch - formant) / 200) ** 2)) for formant in formants)
        voice += (gain + 0.02) * np.sin(harmonic * phase)
    loudness = 0.2 + np.sin(np.pi * along) ** 2 if not hiss else np.where(along < 0.4, 0, 1)
    breath = 0.5 * rng.standard_normal(len(time)) * (along < 0.4) * hiss
    return voice * loudness + breath


BEEPS = place(6, (1, tone(0.5)), (4, tone(0.5)), floor=0)  # onsets at 1 and 4 s
