"""The audio of a media file as mono samples, on the timeline that a player shows."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from math import inf
from pathlib import Path
from typing import IO, Any

import numpy as np

from gptasr_subs.errors import MediaError
from gptasr_subs.media.encryption import refuse_encrypted
from gptasr_subs.media.ffmpeg import build_command, complaint, open_input, run_ffmpeg
from gptasr_subs.media.patience import Patience
from gptasr_subs.media.probe import (
    SEARCH_LIMITS,
    AudioTrack,
    choose_track,
    probe,
    refuse_unreadable,
    run_probe,
)
from gptasr_subs.media.stated_size import MEND_HEADER, unstated_bytes, whole_length
from gptasr_subs.types import FloatArray

_log = logging.getLogger(__name__)

# Places audio where its time stamps say: a late start becomes silence, a hole in mid-file too. The
# last option makes the mean of two channels where ffmpeg would add them up, too loud to fit.
_PLAYER_TIMELINE = "aresample=async=1:first_pts=0:rematrix_maxval=1"

# How files begin in which ffmpeg corrects the start: transport streams (with or without a clock
# before each packet), program streams, Ogg.
_CORRECTED = re.compile(rb"G|....G|\0\0\x01\xba|OggS", re.DOTALL)

SILENCE_LIMIT = 60.0  # seconds without any input after which there will be none

# A moment in samples; what is loud, by the power of the loudest moment and that of a sample; how
# much weaker the mean is where sides are opposite (noise of two sides is as strong in both); in
# what part of the loud moments they are so where a voice cancels, as speech pauses.
_MOMENT = 1024
_LOUD = 1e-3
_SILENCE = 1e-9
_OPPOSITE = 0.5
_MANY = 0.15

# ffmpeg looks at covers and pictures too, whose damage is none of the audio
_OF_PICTURES = re.compile(
    r"^\[(mjpeg|png|gif|bmp|webp|tiff|h26[34]|hevc|mpeg[124](video)?|vp[89]|av1|libdav1d|"
    r"swscaler) @|\(Video: "
)
_LOST_PART = re.compile("Failed to open segment|Error when loading|decod", re.IGNORECASE)
_NO_DECODER = re.compile(
    r"decoder .*not found|unknown decoder|no decoder|could not find codec", re.IGNORECASE
)


def decode_blocks(
    path: str | os.PathLike[str],
    *,
    track: int | AudioTrack = 0,
    sample_rate: int = 16000,
    block_seconds: float = 30.0,
    start: float = 0.0,
) -> Iterator[FloatArray]:
    """Yield the audio of one track from ``start`` seconds on: mono float32 blocks (n_samples,) of
    ``block_seconds``.

    A ``track`` as ``probe`` returns it saves another look into the file. Several channels
    become their mean, or the louder side where they cancel in it. Times are the player's: audio
    that starts late is preceded by silence, and holes are filled with it. Damage costs no more than
    the damaged part and is logged as a warning. Raises MediaError, when the first block is asked
    for, if nothing at all can be decoded. ffmpeg ends with the generator.
    """
    media = Path(path)
    decoded = 0
    refuse_unreadable(media)
    refuse_encrypted(media)
    if not isinstance(track, AudioTrack):
        info = probe(media)
        track = info.audio[choose_track(info, track)]
    channels = 2 if track.channels > 1 else 1  # of more, ffmpeg mixes two
    command = _decode_command(media, track.index, sample_rate, start=start, channels=channels)
    with run_ffmpeg(command) as (child, stderr_tail):
        patience = Patience(child, SILENCE_LIMIT)
        with patience.watch():
            samples = round(block_seconds * sample_rate)
            for block in _read_blocks(child.stdout, samples, channels, patience=patience):
                decoded += len(block)
                yield block
    if patience.is_over:
        raise MediaError(
            f"{str(media)!r} has given no more audio for {SILENCE_LIMIT:.0f} s, after "
            f"{start + decoded / sample_rate:.0f} s of it: run again when the recording is over "
            "(a playlist ends with #EXT-X-ENDLIST), or its disk or share is back."
        )
    _check_end(
        media, track, stderr_tail, exit_code=child.returncode, start=start, is_empty=not decoded
    )


class CountedBlocks:
    """Passes blocks of audio on, ``limit`` seconds of them at most, and counts their seconds."""

    def __init__(self, blocks: Iterable[FloatArray], sample_rate: int, limit: float = inf) -> None:
        """``blocks`` are mono, (n_samples,) each."""
        self.seconds = 0.0
        self._blocks = blocks
        self._sample_rate = sample_rate
        self._limit = limit

    def __iter__(self) -> Iterator[FloatArray]:
        """Give each block, the last one cut at the limit."""
        for block in self._blocks:
            if self.seconds + len(block) / self._sample_rate >= self._limit:
                block = block[: round((self._limit - self.seconds) * self._sample_rate)]
            self.seconds += len(block) / self._sample_rate
            yield block
            if self.seconds >= self._limit - 0.5 / self._sample_rate:
                return


def decode_audio(
    path: str | os.PathLike[str], *, track: int | str | None = None, sample_rate: int = 16000
) -> FloatArray:
    """Return the whole audio of a media file, mono float32 (n_samples,) in [-1, 1].

    See ``decode_blocks``.
    """
    info = probe(path)
    chosen = info.audio[choose_track(info, track)]
    blocks = list(decode_blocks(path, track=chosen, sample_rate=sample_rate))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _decode_command(
    media: Path, track: int, sample_rate: int, *, start: float, channels: int
) -> list[str]:
    seek = {"ss": f"{start:.6f}"} if start else {}
    audio = open_input(media, **SEARCH_LIMITS, **whole_length(media), **seek)[f"a:{track}"]
    timeline = _PLAYER_TIMELINE
    late = _correction(media, audio) - start
    if late > 0:
        timeline = f"asetpts=PTS+{late:.6f}/TB,{timeline}"
    samples = {"format": "f32le", "acodec": "pcm_f32le", "ac": channels, "ar": sample_rate}
    # That a part of a playlist is lost, ffmpeg takes for no error.
    verbosity = "warning" if _is_playlist(media) else "error"
    return build_command(audio.output("pipe:", af=timeline, **samples), verbosity=verbosity)


def _is_playlist(media: Path) -> bool:
    return media.suffix.lower() in (".m3u8", ".m3u")


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


def _read_blocks(
    pipe: IO[bytes] | None, samples: int, channels: int, *, patience: Patience
) -> Iterator[FloatArray]:
    """Yield blocks of ``samples``, the last one shorter; every part of them is a sign of life."""
    frame = 4 * channels  # bytes
    part = b"begin"
    while pipe and part:
        data = bytearray()
        while part and len(data) < frame * samples:
            with patience.waiting():
                part = os.read(pipe.fileno(), frame * samples - len(data))
            data += part
        if data:
            block = np.frombuffer(data[: len(data) // frame * frame], "<f4").astype(np.float32)
            finite = np.nan_to_num(block, copy=False)  # damaged float audio holds anything
            yield np.clip(_mix(finite.reshape(-1, channels)), -1, 1)


def _mix(sides: FloatArray) -> FloatArray:
    """Mix the sides (n_samples, channels) to their mean; of two that cancel in it, take the louder.

    They cancel where they are opposite in many of the loud moments: a voice may be lost in their
    mean, even if music is not.
    """
    mean: FloatArray = sides.mean(1)
    if sides.shape[1] < 2:
        return mean
    frames = sides[: len(sides) // _MOMENT * _MOMENT].reshape(-1, _MOMENT, 2)
    same = np.square(frames.sum(2)).sum(1)
    opposite = np.square(frames[..., 0] - frames[..., 1]).sum(1)
    power = same + opposite
    loud = power > max(_LOUD * power.max(initial=0.0), _SILENCE * _MOMENT)
    if loud.any() and (same[loud] < _OPPOSITE * opposite[loud]).mean() > _MANY:
        return sides[:, int(np.square(sides).sum(0).argmax())]
    return mean


def _check_end(
    media: Path,
    track: AudioTrack,
    stderr: Iterable[str],
    *,
    exit_code: int,
    start: float,
    is_empty: bool,
) -> None:
    """Warn of what could not be decoded. Raises MediaError where that is all of the audio."""
    errors = [line for line in stderr if not _OF_PICTURES.search(line)]
    if not is_empty and _is_playlist(media):
        errors = [line for line in errors if _LOST_PART.search(line)]
    reason = complaint(errors)
    if exit_code:
        reason = reason or f"exit code {exit_code}"
    name = repr(str(media))
    if is_empty and (reason or not start):
        probe(media)  # raises an error of its own if the file is to blame
        if _NO_DECODER.search(" ".join(stderr)):
            raise MediaError(
                f"This ffmpeg cannot decode the audio of {name} (codec {track.codec}); "
                "install a full build of ffmpeg."
            )
        raise MediaError(
            f"The audio of {name} cannot be decoded ({reason or 'it holds none'}); "
            "check that it plays, or copy it again."
        )
    if reason:
        _log.warning("%s is damaged in places (%s); what could be decoded is used.", name, reason)
    elif unstated_bytes(media) and not whole_length(media):
        _log.warning(
            "%s holds more than its header says, and only that is read; %s.", name, MEND_HEADER
        )
