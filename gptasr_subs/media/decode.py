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
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import ffmpeg
import numpy as np

from gptasr_subs.errors import MediaError
from gptasr_subs.media.languages import same_language, shortest_code
from gptasr_subs.types import FloatArray

_log = logging.getLogger(__name__)

# Places sound where its time stamps say: a late start becomes silence, a hole in mid-file too. The last option makes
# the mean of two channels where ffmpeg would add them up, too loud to fit.
_PLAYER_TIMELINE = "aresample=async=1:first_pts=0:rematrix_maxval=1"
# How far ffmpeg looks for the first sound: a minute of microseconds, and bytes. By default it gives up after 5 s.
_PATIENCE = {"analyzeduration": 60_000_000, "probesize": 50_000_000}
_PROBE_SECONDS = 60
_COMPLAINTS = 20  # last lines of ffmpeg's that are kept

# How files begin in which ffmpeg corrects the start: transport streams (with or without a clock before each packet),
# program streams, Ogg.
_CORRECTED = re.compile(rb"G|....G|\0\0\x01\xba|OggS", re.DOTALL)

# Codecs of subtitles that are pictures and hold no text.
BITMAP_SUBTITLES = frozenset({"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "xsub"})

_ASIDE = ("comment", "descriptions", "visual_impaired")  # sound that explains the film instead of being it


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One sound track; ``index`` counts sound tracks only, from 0. ``commentary``: spoken about the film, not in it."""

    index: int
    codec: str
    channels: int
    language: str = ""
    title: str = ""
    default: bool = False
    commentary: bool = False


@dataclass(frozen=True, slots=True)
class SubtitleTrack:
    """One embedded subtitle track; ``index`` counts subtitle tracks only, from 0."""

    index: int
    codec: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a media file holds.

    ``duration`` is in seconds, 0 where the file does not say; ``fps`` are frames a second of the video, if any.
    """

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
    info = _media_info(inspect(path))
    if not info.audio:
        raise MediaError(f"{_shown(Path(path))} has no sound track, so there is nothing to subtitle.")
    return info


def inspect(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What ffprobe tells of a media file as JSON ("format", "streams"). Raises MediaError where it is not media."""
    _refuse_unreadable(media := Path(path))
    return _ask_ffprobe(media) if shutil.which("ffprobe") else _ask_ffmpeg(media)


def choose_track(info: MediaInfo, track: int | str | None) -> int:
    """The sound track asked for by index or language (``en``, ``eng``), else the default one.

    A commentary is chosen only by its index, or if nothing else is there. Raises MediaError where there is no such
    track; the message lists those there are.
    """
    if track is None:
        return min(info.audio, key=lambda a: (a.commentary, not a.default, a.index)).index
    if isinstance(track, int) or track.isdecimal():
        found = [a for a in info.audio if a.index == int(track)]
    else:
        found = [a for a in info.audio if same_language(a.language, track)]
    if not found:
        there = "; ".join(f"{a.index}: {a.language or 'language unknown'}, {a.codec}" for a in info.audio)
        raise MediaError(f"There is no sound track {str(track)!r}; choose --audio-track from: {there}.")
    return min(found, key=lambda a: (a.commentary, a.index)).index


def decode_blocks(
    path: str | os.PathLike[str],
    *,
    track: int = 0,
    sample_rate: int = 22050,
    block_seconds: float = 30.0,
    start: float = 0.0,
) -> Iterator[FloatArray]:
    """Yield the sound of one track from ``start`` seconds on: mono float32 blocks (n_samples,) of ``block_seconds``.

    Times are the player's: sound that starts late is preceded by silence, and holes are filled with it. Damage costs no
    more than the damaged part and is logged as a warning. Raises MediaError, when the first block is asked for, if
    nothing at all can be decoded. ffmpeg ends with the generator.
    """
    media, decoded = Path(path), 0
    _refuse_unreadable(media)
    with running(_decode_command(media, track, sample_rate, start)) as (child, complaints):
        for block in _read_blocks(child.stdout, round(block_seconds * sample_rate)):
            decoded += len(block)
            yield block
    if child.returncode == 0 and not complaints and (decoded or start):
        return
    reason = complaints[-1] if complaints else f"exit code {child.returncode}"
    if not decoded:
        raise _failure(media, track, reason, " ".join(complaints))
    _log.warning("%s is damaged in places (%s); what could be decoded is used.", _shown(media), reason)


def decode_audio(
    path: str | os.PathLike[str], *, track: int | str | None = None, sample_rate: int = 22050
) -> FloatArray:
    """The whole sound of a media file, mono float32 (n_samples,) in [-1, 1]; see ``decode_blocks``."""
    chosen = choose_track(probe(path), track)
    blocks = list(decode_blocks(path, track=chosen, sample_rate=sample_rate))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _decode_command(media: Path, track: int, sample_rate: int, start: float) -> list[str]:
    seek = {"ss": f"{start:.6f}"} if start else {}
    film = ffmpeg.input(address(media), **_PATIENCE, **seek)
    late = max(0.0, _correction(media, film[f"a:{track}"]) - start)
    timeline = f"asetpts=PTS+{late:.6f}/TB,{_PLAYER_TIMELINE}" if late else _PLAYER_TIMELINE
    sound = {"format": "f32le", "acodec": "pcm_f32le", "ac": 1, "ar": sample_rate, "af": timeline}
    return _command(film[f"a:{track}"].output("pipe:", **sound), "error")


def _correction(media: Path, sound: Any) -> float:
    """By how many seconds ffmpeg takes the start of the film to be later than players do.

    In some containers it counts from the first time stamp of the streams it uses, here one sound track, and not from
    the first of all. Some versions do so only when they do not seek; they tell when they copy a first packet.
    """
    with media.open("rb") as file:
        if not _CORRECTED.match(file.read(8)):
            return 0.0
    first_packet = sound.output("-", format="null", c="copy", **{"frames:a": 1})
    told = _run(_command(first_packet, "verbose"), media).stderr
    found = re.search(r"Correcting start time.*? by (\d+)", told)
    return int(found[1]) / 1e6 if found else 0.0


def _command(output: Any, verbosity: str) -> list[str]:
    command: list[str] = output.global_args("-nostdin", "-v", verbosity).compile(cmd=find_ffmpeg())
    return command


def address(media: Path) -> str:
    """The name as ffmpeg takes it literally: no protocol, option or pattern is read into it."""
    return f"file:{media.absolute()}"


@contextmanager
def running(command: list[str], folder: str | None = None) -> Iterator[tuple[subprocess.Popen[bytes], deque[str]]]:
    """Run ffmpeg (in ``folder``), with the last lines of what it says; on leaving it has ended and said all."""
    child = subprocess.Popen(command, -1, None, subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE, cwd=folder)
    complaints: deque[str] = deque(maxlen=_COMPLAINTS)
    listener = threading.Thread(target=_drain, args=(child.stderr, complaints), daemon=True)
    listener.start()
    try:
        yield child, complaints
        child.wait()
    finally:
        child.kill()  # does nothing to one that has ended
        child.wait()
        listener.join()
        for pipe in (child.stdout, child.stderr):
            if pipe:
                pipe.close()


def _drain(pipe: IO[bytes], lines: deque[str]) -> None:
    """Keep the last lines of what ffmpeg says; unread, they would fill the pipe and stop it."""
    for line in pipe:
        lines.append(line.decode(errors="replace").strip())


def _read_blocks(pipe: IO[bytes] | None, samples: int) -> Iterator[FloatArray]:
    while pipe and (data := pipe.read(4 * samples)):  # short only at the end
        block = np.frombuffer(data[: len(data) // 4 * 4], "<f4").astype(np.float32)
        yield np.clip(np.nan_to_num(block, copy=False), -1, 1)  # damaged float sound holds anything


def _failure(media: Path, track: int, reason: str, complaints: str) -> MediaError:
    """Why there is no sound at all; if the file or the track is to blame, what ``probe`` or ``choose_track`` raise."""
    info = probe(media)
    codec = info.audio[choose_track(info, track)].codec
    if re.search(r"decoder .*not found|unknown decoder|no decoder|could not find codec", complaints, re.IGNORECASE):
        return MediaError(
            f"This ffmpeg cannot decode the sound of {_shown(media)} (codec {codec}); install a full build of ffmpeg."
        )
    return MediaError(
        f"The sound of {_shown(media)} cannot be decoded ({reason}); check that it plays, or copy it again."
    )


def _refuse_unreadable(media: Path) -> None:
    try:
        if media.is_dir():
            raise MediaError(f"{_shown(media)} is a folder; give a media file in it.")
        if media.exists() and not media.is_file():
            raise MediaError(f"{_shown(media)} is not a file but a pipe or a device; save its content to a file first.")
        with media.open("rb") as file:
            empty = not file.read(1)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a null byte in the name
        raise MediaError(f"There is no file {_shown(media)}; check the name.") from None
    except PermissionError as error:
        raise MediaError(f"{_shown(media)} may not be read; ask for the rights to it.") from error
    except OSError as error:
        raise MediaError(f"{_shown(media)} cannot be read ({error.strerror}); check the disk or the share.") from error
    if empty:
        raise MediaError(f"{_shown(media)} is empty; copy or download it again.")


def _shown(media: Path) -> str:
    return repr(str(media))


def _media_info(facts: dict[str, Any]) -> MediaInfo:
    """From what ffprobe tells as JSON."""
    streams: list[dict[str, Any]] = facts["streams"]
    audio = [stream for stream in streams if stream.get("codec_type") == "audio"]
    texts = [stream for stream in streams if stream.get("codec_type") == "subtitle"]
    video = next((stream for stream in streams if stream.get("codec_type") == "video" and not _is_cover(stream)), {})
    return MediaInfo(
        _seconds(facts.get("format", {}), streams),
        tuple(_audio_track(index, stream) for index, stream in enumerate(audio)),
        tuple(SubtitleTrack(index, _codec(stream), _language(stream)) for index, stream in enumerate(texts)),
        _rate(video.get("avg_frame_rate", "")),
        int(video.get("width", 0)),
        int(video.get("height", 0)),
    )


def _audio_track(index: int, stream: dict[str, Any]) -> AudioTrack:
    marks, title = stream.get("disposition", {}), _tags(stream).get("title", "")
    commentary = any(marks.get(mark) for mark in _ASIDE) or "commentary" in title.lower()
    channels = int(stream.get("channels", 0))
    return AudioTrack(index, _codec(stream), channels, _language(stream), title, bool(marks.get("default")), commentary)


def _codec(stream: dict[str, Any]) -> str:
    return str(stream.get("codec_name", "unknown"))


def _language(stream: dict[str, Any]) -> str:
    tag = _tags(stream).get("language", "")
    return tag if shortest_code(tag) else ""


def _tags(stream: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in stream.get("tags", {}).items()}


def _is_cover(stream: dict[str, Any]) -> bool:
    return bool(stream.get("disposition", {}).get("attached_pic"))


def _seconds(container: dict[str, Any], streams: list[dict[str, Any]]) -> float:
    stated = [container.get("duration"), *(stream.get("duration") for stream in streams)]
    return max((float(value) for value in stated if value and _is_number(value)), default=0.0)


def _is_number(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value) is not None


def _rate(fraction: str) -> float | None:
    top, _, bottom = fraction.partition("/")
    if not (_is_number(top) and _is_number(bottom or "1")) or not float(top) or not float(bottom or 1):
        return None
    return float(top) / float(bottom or 1)


def _ask_ffprobe(media: Path) -> dict[str, Any]:
    shape = ["-show_format", "-show_streams", "-of", "json"]
    done = _run(["ffprobe", "-v", "error", *_patience(), *shape, address(media)], media)
    try:
        facts: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise _not_media(media, done.stderr) from error
    if not facts.get("streams"):
        raise _not_media(media, done.stderr)
    return facts


_CLOCK = re.compile(r" +Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")
_STREAM = re.compile(r" +Stream #0:(\d+)(?:\[0x[0-9a-f]+\])?(?:\(([^)]*)\))?: (\w+): (\w+)(.*)")
_TAG = re.compile(r" +(\w+) +: (.*)")


def _ask_ffmpeg(media: Path) -> dict[str, Any]:
    """What ``ffmpeg -i`` tells people, in ffprobe's words, for where ffprobe is not installed."""
    command = [find_ffmpeg(), "-nostdin", "-hide_banner", *_patience(), "-i", address(media)]
    told = _run(command, media).stderr.replace(address(media), "")
    streams: list[dict[str, Any]] = []
    container: dict[str, str] = {}
    for line in told.split("\n"):
        if clock := _CLOCK.match(line):
            container["duration"] = str(3600 * int(clock[1]) + 60 * int(clock[2]) + float(clock[3]))
        elif stream := _STREAM.match(line):
            streams.append(_told_stream(*stream.groups(default="")))
        elif streams and (tag := _TAG.match(line)):
            streams[-1]["tags"].setdefault(tag[1], tag[2])
    if not streams:
        raise _not_media(media, told)
    # Streams that belong together are told together, wherever they stand.
    return {"format": container, "streams": sorted(streams, key=lambda stream: stream["index"])}


def _told_stream(index: str, language: str, kind: str, codec: str, facts: str) -> dict[str, Any]:
    marks = {mark.replace(" ", "_"): 1 for mark in re.findall(r"\(([a-z ]+)\)", facts)}
    fps, size = re.search(r"([\d.]+) fps", facts), re.search(r" (\d{2,5})x(\d{2,5})", facts)
    layout, tag = re.search(r" Hz, ([^,\n]+)", facts), re.search(r"\((\w+) / 0x", facts)
    return {
        "index": int(index),
        "codec_type": kind.lower(),
        "codec_name": "unknown" if codec == "none" else codec,
        "codec_tag_string": tag[1] if tag else "",
        "channels": _channels(layout[1]) if layout else 0,
        "avg_frame_rate": fps[1] if fps else "",
        "width": size[1] if size else 0,
        "height": size[2] if size else 0,
        "disposition": marks,
        "tags": {"language": language},
    }


def _channels(layout: str) -> int:
    """``stereo`` is 2, ``5.1(side)`` is 6, ``3 channels`` is 3; 0 for names that tell no number."""
    name = layout.partition("(")[0]
    named = {"mono": 1, "stereo": 2, "downmix": 2, "quad": 4, "hexagonal": 6, "octagonal": 8}
    return named.get(name, sum(int(digits) for digits in re.findall(r"\d+", name)))


def _patience() -> list[str]:
    return [word for name, value in _PATIENCE.items() for word in (f"-{name}", str(value))]


def _run(command: list[str], media: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=_PROBE_SECONDS, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise MediaError(f"{_shown(media)} cannot be read in time; check the disk or the share it lies on.") from error


def _not_media(media: Path, told: str) -> MediaError:
    error = MediaError(f"{_shown(media)} is no media that ffmpeg can read, or it is cut short; check that it plays.")
    error.__cause__ = RuntimeError(told.strip())
    return error
