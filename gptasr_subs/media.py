"""ffmpeg: what is in a media file, and its sound as mono samples on the timeline that a player shows."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np

from gptasr_subs.errors import MediaError
from gptasr_subs.types import FloatArray

_log = logging.getLogger(__name__)

# Places sound where its time stamps say: a late start becomes silence, a hole in mid-file too.
_PLAYER_TIMELINE = "aresample=async=1:first_pts=0"
_PROBE_SECONDS = 60

_THREE_LETTERS = {
    "en": ("eng",), "de": ("deu", "ger"), "fr": ("fra", "fre"), "es": ("spa",), "it": ("ita",), "pt": ("por",),
    "nl": ("nld", "dut"), "ru": ("rus",), "ja": ("jpn",), "zh": ("zho", "chi"), "ko": ("kor",), "ar": ("ara",),
    "hi": ("hin",), "pl": ("pol",), "sv": ("swe",), "da": ("dan",), "no": ("nor",), "fi": ("fin",), "tr": ("tur",),
    "cs": ("ces", "cze"), "el": ("ell", "gre"), "he": ("heb",), "hu": ("hun",), "ro": ("ron", "rum"), "uk": ("ukr",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One sound track; ``index`` counts sound tracks only, from 0."""

    index: int
    codec: str
    channels: int
    language: str = ""
    title: str = ""
    default: bool = False
    commentary: bool = False


@dataclass(frozen=True, slots=True)
class SubtitleTrack:
    """One embedded subtitle track."""

    index: int
    codec: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a media file holds; ``duration`` in seconds, ``fps`` frames a second of the video or none."""

    duration: float
    audio: tuple[AudioTrack, ...]
    subtitles: tuple[SubtitleTrack, ...] = ()
    fps: float | None = None
    width: int = 0
    height: int = 0


@lru_cache(maxsize=1)
def find_ffmpeg() -> str:
    """The ffmpeg program: the one on the PATH, else the one that imageio-ffmpeg carries."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg

        carried: str = imageio_ffmpeg.get_ffmpeg_exe()
        return carried
    except (ImportError, RuntimeError) as error:
        raise MediaError("ffmpeg is not installed; install it, or the Python package imageio-ffmpeg.") from error


def probe(path: str | os.PathLike[str]) -> MediaInfo:
    """Look into a media file. Raises MediaError where it is missing, unreadable, not media or without sound."""
    media = Path(path)
    _refuse_unreadable(media)
    info = _probe_with_ffprobe(media) if shutil.which("ffprobe") else _probe_with_ffmpeg(media)
    if not info.audio:
        raise MediaError(f"{_shown(media)} has no sound track, so there is nothing to subtitle.")
    return info


def choose_track(info: MediaInfo, track: int | str | None) -> int:
    """The sound track asked for by index or language, else the default one, commentary only if nothing else is there.

    Raises MediaError where there is no such track; the message lists those there are.
    """
    if track is None:
        return min(info.audio, key=lambda a: (a.commentary, not a.default, a.index)).index
    if isinstance(track, int) or track.isdigit():
        found = [a.index for a in info.audio if a.index == int(track)]
    else:
        found = [a.index for a in info.audio if _same_language(a.language, track)]
    if not found:
        there = "; ".join(f"{a.index}: {a.language or 'language unknown'}, {a.codec}" for a in info.audio)
        raise MediaError(f"There is no sound track {str(track)!r}; choose --audio-track from: {there}.")
    return found[0]


def decode_blocks(
    path: str | os.PathLike[str],
    *,
    track: int = 0,
    sample_rate: int = 22050,
    block_seconds: float = 30.0,
    start: float = 0.0,
) -> Iterator[FloatArray]:
    """Yield the sound of one track as mono float32 blocks (n_samples,), at most ``block_seconds`` each.

    Times are the player's: sound that starts late is preceded by silence, and holes are filled with it. Damage at the
    end costs only the end; raises MediaError where nothing at all can be decoded.
    """
    media = Path(path)
    _refuse_unreadable(media)
    child = subprocess.Popen(
        _decode_command(media, track, sample_rate, start), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    complaints: deque[str] = deque(maxlen=20)
    listener = threading.Thread(target=_drain, args=(child.stderr, complaints), daemon=True)
    listener.start()
    decoded = 0
    try:
        for block in _read_blocks(child.stdout, round(block_seconds * sample_rate)):
            decoded += len(block)
            yield block
        _judge(media, child.wait(), decoded, complaints, listener)
    finally:
        _stop(child, listener)


def decode_audio(
    path: str | os.PathLike[str], *, track: int | str | None = None, sample_rate: int = 22050
) -> FloatArray:
    """The whole sound of a media file, mono float32 (n_samples,) in [-1, 1]; see ``decode_blocks``."""
    chosen = choose_track(probe(path), track)
    blocks = list(decode_blocks(path, track=chosen, sample_rate=sample_rate))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _decode_command(media: Path, track: int, sample_rate: int, start: float) -> list[str]:
    seek = {"ss": start} if start else {}
    sound = ffmpeg.input(_address(media), **seek)[f"a:{track}"]
    output = ffmpeg.output(
        sound, "pipe:", format="f32le", acodec="pcm_f32le", ac=1, ar=sample_rate, af=_PLAYER_TIMELINE
    )
    command: list[str] = output.global_args("-nostdin", "-v", "error").compile(cmd=find_ffmpeg())
    return command


def _address(media: Path) -> str:
    """The name as ffmpeg takes it literally: no protocol, option or pattern is read into it."""
    return f"file:{media.absolute()}"


def _read_blocks(pipe: Any, samples: int) -> Iterator[FloatArray]:
    rest = b""
    while True:
        data = pipe.read(4 * samples - len(rest))
        if not data:
            return
        whole = rest + data
        usable = len(whole) - len(whole) % 4
        rest = whole[usable:]
        block = np.frombuffer(whole[:usable], np.float32)
        yield np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0)


def _drain(pipe: Any, lines: deque[str]) -> None:
    """Keep the last lines of what ffmpeg says; unread, they would fill the pipe and stop it."""
    for line in pipe:
        lines.append(line.decode(errors="replace").strip())


def _judge(media: Path, code: int, decoded: int, complaints: deque[str], listener: threading.Thread) -> None:
    listener.join()
    if not decoded:
        raise MediaError(f"The sound of {_shown(media)} cannot be decoded; {_advice(complaints)}.")
    if code or complaints:
        reason = complaints[-1] if complaints else f"exit code {code}"
        _log.warning("%s is damaged in places (%s); what could be decoded is used.", _shown(media), reason)


def _advice(complaints: deque[str]) -> str:
    text = " ".join(complaints)
    if re.search(r"[Dd]ecoder .*not found|Unknown decoder|no decoder|could not find codec", text):
        return "this ffmpeg lacks its codec, so install a full build of ffmpeg"
    return "check that the file plays, or copy it again"


def _stop(child: subprocess.Popen[bytes], listener: threading.Thread) -> None:
    if child.poll() is None:
        child.kill()
    child.wait()
    listener.join()
    for pipe in (child.stdout, child.stderr):
        if pipe:
            pipe.close()


def _refuse_unreadable(media: Path) -> None:
    if media.is_dir():
        raise MediaError(f"{_shown(media)} is a folder; give a media file in it.")
    try:
        with media.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise MediaError(f"There is no file {_shown(media)}; check the name.") from None
    except PermissionError as error:
        raise MediaError(f"{_shown(media)} may not be read; ask for the rights to it.") from error
    except OSError as error:
        raise MediaError(f"{_shown(media)} cannot be read ({error.strerror}); check the disk or the share.") from error
    if empty:
        raise MediaError(f"{_shown(media)} is empty; copy or download it again.")


def _shown(media: Path) -> str:
    return repr(str(media))


def _probe_with_ffprobe(media: Path) -> MediaInfo:
    command = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", _address(media)]
    done = _run(command, media)
    try:
        facts = json.loads(done.stdout)
        streams, container = facts["streams"], facts.get("format", {})
    except (ValueError, KeyError) as error:
        raise _not_media(media, done.stderr) from error
    audio = [s for s in streams if s.get("codec_type") == "audio"]
    texts = [s for s in streams if s.get("codec_type") == "subtitle"]
    video = next((s for s in streams if s.get("codec_type") == "video" and not _is_cover(s)), {})
    return MediaInfo(
        _seconds(container, streams),
        tuple(_audio_track(index, stream) for index, stream in enumerate(audio)),
        tuple(SubtitleTrack(i, s.get("codec_name", ""), _tags(s).get("language", "")) for i, s in enumerate(texts)),
        _rate(video.get("avg_frame_rate", "")),
        int(video.get("width", 0)),
        int(video.get("height", 0)),
    )


def _audio_track(index: int, stream: dict[str, Any]) -> AudioTrack:
    tags, marks = _tags(stream), stream.get("disposition", {})
    return AudioTrack(
        index,
        stream.get("codec_name", "unknown"),
        int(stream.get("channels", 0)),
        tags.get("language", ""),
        tags.get("title", ""),
        bool(marks.get("default")),
        bool(marks.get("comment")) or "commentary" in tags.get("title", "").lower(),
    )


def _tags(stream: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in stream.get("tags", {}).items()}


def _is_cover(stream: dict[str, Any]) -> bool:
    return bool(stream.get("disposition", {}).get("attached_pic"))


def _seconds(container: dict[str, Any], streams: list[dict[str, Any]]) -> float:
    stated = [container.get("duration"), *(stream.get("duration") for stream in streams)]
    return max((float(value) for value in stated if _is_number(value)), default=0.0)


def _is_number(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value) is not None


def _rate(fraction: str) -> float | None:
    top, _, bottom = fraction.partition("/")
    if not (_is_number(top) and _is_number(bottom or "1")) or not float(top) or not float(bottom or 1):
        return None
    return float(top) / float(bottom or 1)


_DURATION = re.compile(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")
_STREAM = re.compile(r"Stream #0:\d+(?:\[0x[0-9a-f]+\])?(?:\((\w+)\))?: (Audio|Subtitle|Video): (\w+)(.*)")


def _probe_with_ffmpeg(media: Path) -> MediaInfo:
    """Read what ``ffmpeg -i`` tells people, for where ffprobe is not installed."""
    told = _run([find_ffmpeg(), "-nostdin", "-hide_banner", "-i", _address(media)], media).stderr
    streams = [(m[1] or "", m[2], m[3], m[4], told[m.end() :]) for m in _STREAM.finditer(told)]
    if not streams:
        raise _not_media(media, told)
    audio = [stream for stream in streams if stream[1] == "Audio"]
    texts = [stream for stream in streams if stream[1] == "Subtitle"]
    video = next((stream[3] for stream in streams if stream[1] == "Video" and "attached pic" not in stream[3]), "")
    clock = _DURATION.search(told)
    fps, size = re.search(r"([\d.]+) fps", video), re.search(r" (\d{2,5})x(\d{2,5})", video)
    return MediaInfo(
        int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3]) if clock else 0.0,
        tuple(_told_track(index, *stream) for index, stream in enumerate(audio)),
        tuple(SubtitleTrack(i, codec, _known(lang)) for i, (lang, _, codec, _, _) in enumerate(texts)),
        float(fps[1]) if fps else None,
        int(size[1]) if size else 0,
        int(size[2]) if size else 0,
    )


def _told_track(index: int, language: str, _: str, codec: str, facts: str, after: str) -> AudioTrack:
    named = re.match(r"(?:(?!Stream #).)*?\n\s+title\s*: ([^\n]*)", after, re.DOTALL)
    title = named[1] if named and "Stream #" not in after[: named.start(1)] else ""
    channels = {"mono": 1, "stereo": 2, "5.1": 6, "7.1": 8}
    count = next((number for word, number in channels.items() if f", {word}" in facts), 0)
    commentary = "(comment)" in facts or "commentary" in title.lower()
    return AudioTrack(index, codec, count, _known(language), title, "(default)" in facts, commentary)


def _known(language: str) -> str:
    return "" if language == "und" else language


def _same_language(tag: str, wanted: str) -> bool:
    def family(code: str) -> str:
        primary = re.split("[-_]", code.lower())[0]
        return next((short for short, long in _THREE_LETTERS.items() if primary in long), primary)

    return bool(tag) and family(tag) == family(wanted)


def _run(command: list[str], media: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=_PROBE_SECONDS, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise MediaError(f"{_shown(media)} cannot be read in time; check the disk or the share it lies on.") from error
    except ValueError as error:  # a null byte in the name
        raise MediaError(f"{_shown(media)} is not a name of a file; check it.") from error


def _not_media(media: Path, told: str) -> MediaError:
    error = MediaError(f"{_shown(media)} is not a media file that ffmpeg can read; check that it plays.")
    error.__cause__ = RuntimeError(told.strip())
    return error
