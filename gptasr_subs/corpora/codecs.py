"""Copies of clips as they come through a telephone or a thin stream, by ffmpeg."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np

from gptasr_subs.corpora.audio import ClipAudio
from gptasr_subs.corpora.manifest import Clip
from gptasr_subs.errors import MediaError
from gptasr_subs.media.ffmpeg import find_ffmpeg
from gptasr_subs.types import FloatArray

COPY = "+codec"  # behind the source of a copy, so that copies can be weighed apart

_SECONDS_AT_ONCE = 120.0  # of audio that goes through a codec in one call
_PAUSE = 0.3  # seconds between two clips there, so that no clip rings on in the next


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to degrade audio: a file ``suffix`` and the ``options`` of ffmpeg."""

    name: str
    suffix: str
    options: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Copies:
    """Of a ``share`` of the clips; which ones and through which codec follows from ``seed``."""

    share: float = 0.0
    seed: int = 0


NO_COPIES = Copies()


def _codec(name: str, suffix: str, **options: Any) -> Codec:
    return Codec(name, suffix, tuple(options.items()))


CODECS: tuple[Codec, ...] = (
    _codec("telephone", ".wav", acodec="pcm_mulaw", ar=8000, af="highpass=f=300,lowpass=f=3400"),
    *(
        _codec(f"mp3 at {rate} kbit/s", ".mp3", acodec="libmp3lame", audio_bitrate=f"{rate}k")
        for rate in (16, 24, 32)
    ),
    *(
        _codec(
            f"opus at {rate} kbit/s",
            ".ogg",
            acodec="libopus",
            audio_bitrate=f"{rate}k",
            application="voip",
        )
        for rate in (8, 12, 16)
    ),
)
_KINDS = ("telephone", "mp3", "opus")  # equally often


def with_copies(
    clips: Iterable[ClipAudio], copies: Copies, sample_rate: int
) -> Iterator[ClipAudio]:
    """``clips``, and copies of some of them through codecs, a little later.

    Raises ``MediaError``.
    """
    waiting: defaultdict[Codec, list[ClipAudio]] = defaultdict(list)
    for clip, samples in clips:
        yield clip, samples
        if codec := choose_codec(clip, copies):
            waiting[codec].append((clip, samples))
            if sum(other.seconds for other, _ in waiting[codec]) > _SECONDS_AT_ONCE:
                yield from _copies(waiting.pop(codec), codec, sample_rate)
    for codec, rest in waiting.items():
        yield from _copies(rest, codec, sample_rate)


def choose_codec(clip: Clip, copies: Copies) -> Codec | None:
    """The codec through which a copy of ``clip`` goes, the same in every run; None for no copy."""
    key = sha256(f"{copies.seed} {clip.file.name} {clip.offset:.3f} {clip.text}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(key[:8], "big"))
    if rng.random() >= copies.share:
        return None
    kind = _KINDS[rng.integers(len(_KINDS))]
    codecs = [codec for codec in CODECS if codec.name.startswith(kind)]
    return codecs[rng.integers(len(codecs))]


def _copies(clips: Sequence[ClipAudio], codec: Codec, sample_rate: int) -> Iterator[ClipAudio]:
    pause = np.zeros(round(_PAUSE * sample_rate), np.float32)
    spoilt = degrade(
        np.concatenate([part for _, samples in clips for part in (samples, pause)]),
        sample_rate,
        codec,
    )
    position = 0
    for clip, samples in clips:
        yield replace(clip, source=clip.source + COPY), spoilt[position : position + len(samples)]
        position += len(samples) + len(pause)


def degrade(samples: FloatArray, sample_rate: int, codec: Codec) -> FloatArray:
    """``samples`` (n_samples,) after ``codec``, as many and in the same places.

    Raises ``MediaError``.
    """
    with tempfile.TemporaryDirectory() as folder:
        # no pipe: the header of a file says what to skip
        file = Path(folder) / f"audio{codec.suffix}"
        raw = {"format": "f32le", "ac": 1, "ar": sample_rate}
        encoding = ffmpeg.input("pipe:", **raw).output(str(file), threads=1, **dict(codec.options))
        _run(encoding, samples.tobytes(), codec)
        decoded = _run(ffmpeg.input(str(file)).output("pipe:", **raw), b"", codec)
    spoilt = np.frombuffer(decoded, np.float32)[: len(samples)]
    return np.pad(spoilt, (0, len(samples) - len(spoilt)))


def _run(output: Any, data: bytes, codec: Codec) -> bytes:
    try:
        out: bytes = output.run(
            cmd=find_ffmpeg(), input=data, capture_stdout=True, capture_stderr=True
        )[0]
    except ffmpeg.Error as error:
        reason = error.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        advice = "install one that has this codec, or leave out --codecs"
        raise MediaError(
            f"ffmpeg cannot write audio as {codec.name} ({reason}); {advice}."
        ) from error
    return out
