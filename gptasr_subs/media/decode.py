"""The audio of a media file as mono samples, on the timeline that a player shows."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from gptasr_subs.errors import MediaError
from gptasr_subs.media.ffmpeg import build_command, open_input, run_ffmpeg
from gptasr_subs.media.probe import SEARCH_LIMITS, choose_track, probe, refuse_unreadable, run_probe
from gptasr_subs.types import FloatArray

_log = logging.getLogger(__name__)

# Places audio where its time stamps say: a late start becomes silence, a hole in mid-file too. The
# last option makes the mean of two channels where ffmpeg would add them up, too loud to fit.
_PLAYER_TIMELINE = "aresample=async=1:first_pts=0:rematrix_maxval=1"

# How files begin in which ffmpeg corrects the start: transport streams (with or without a clock
# before each packet), program streams, Ogg.
_CORRECTED = re.compile(rb"G|....G|\0\0\x01\xba|OggS", re.DOTALL)

_NO_DECODER = re.compile(r"decoder .*not found|unknown decoder|no decoder|could not find codec", re.IGNORECASE)


def decode_blocks(
    path: str | os.PathLike[str],
    *,
    track: int = 0,
    sample_rate: int = 22050,
    block_seconds: float = 30.0,
    start: float = 0.0,
) -> Iterator[FloatArray]:
    """Yield the audio of one track from ``start`` seconds on: mono float32 blocks (n_samples,) of
    ``block_seconds``.

    Times are the player's: audio that starts late is preceded by silence, and holes are filled with
    it. Damage costs no more than the damaged part and is logged as a warning. Raises MediaError,
    when the first block is asked for, if nothing at all can be decoded. ffmpeg ends with the
    generator.
    """
    media = Path(path)
    decoded = 0
    refuse_unreadable(media)
    with run_ffmpeg(_decode_command(media, track, sample_rate, start)) as (child, stderr_tail):
        for block in _read_blocks(child.stdout, round(block_seconds * sample_rate)):
            decoded += len(block)
            yield block
    if child.returncode == 0 and not stderr_tail and (decoded or start):
        return
    reason = stderr_tail[-1] if stderr_tail else f"exit code {child.returncode}"
    if not decoded:
        raise _failure(media, track, reason, " ".join(stderr_tail))
    _log.warning("%r is damaged in places (%s); what could be decoded is used.", str(media), reason)


def decode_audio(
    path: str | os.PathLike[str], *, track: int | str | None = None, sample_rate: int = 22050
) -> FloatArray:
    """The whole audio of a media file, mono float32 (n_samples,) in [-1, 1].

    See ``decode_blocks``.
    """
    chosen = choose_track(probe(path), track)
    blocks = list(decode_blocks(path, track=chosen, sample_rate=sample_rate))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _decode_command(media: Path, track: int, sample_rate: int, start: float) -> list[str]:
    seek = {"ss": f"{start:.6f}"} if start else {}
    audio = open_input(media, **SEARCH_LIMITS, **seek)[f"a:{track}"]
    timeline = _PLAYER_TIMELINE
    late = _correction(media, audio) - start
    if late > 0:
        timeline = f"asetpts=PTS+{late:.6f}/TB,{timeline}"
    samples = {"format": "f32le", "acodec": "pcm_f32le", "ac": 1, "ar": sample_rate}
    return build_command(audio.output("pipe:", af=timeline, **samples))


def _correction(media: Path, audio: Any) -> float:
    """By how many seconds ffmpeg takes the start of the file to be later than players do.

    In some containers it counts from the first time stamp of the streams it uses, here one audio
    track, and not from the first of all. Some versions do so only when they do not seek; they say
    so when they copy a first packet.
    """
    with media.open("rb") as file:
        if not _CORRECTED.match(file.read(8)):
            return 0.0
    first_packet = audio.output("-", format="null", c="copy", **{"frames:a": 1})
    output = run_probe(build_command(first_packet, verbosity="verbose"), media).stderr
    found = re.search(r"Correcting start time.*? by (\d+)", output)
    return int(found[1]) / 1e6 if found else 0.0


def _read_blocks(pipe: IO[bytes] | None, samples: int) -> Iterator[FloatArray]:
    while pipe and (data := pipe.read(4 * samples)):  # short only at the end
        block = np.frombuffer(data[: len(data) // 4 * 4], "<f4").astype(np.float32)
        yield np.clip(np.nan_to_num(block, copy=False), -1, 1)  # damaged float audio holds anything


def _failure(media: Path, track: int, reason: str, stderr: str) -> MediaError:
    """Why there is no audio at all.

    If the file or the track is to blame, what ``probe`` or ``choose_track`` raise.
    """
    info = probe(media)
    codec = info.audio[choose_track(info, track)].codec
    name = repr(str(media))
    if _NO_DECODER.search(stderr):
        return MediaError(
            f"This ffmpeg cannot decode the audio of {name} (codec {codec}); install a full build of ffmpeg."
        )
    return MediaError(f"The audio of {name} cannot be decoded ({reason}); check that it plays, or copy it again.")
