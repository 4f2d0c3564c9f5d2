"""What is in a media file: its audio and subtitle tracks, its length, its picture."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gptasr_subs.errors import MediaError
from gptasr_subs.media.ffmpeg import ffmpeg_url, find_ffmpeg
from gptasr_subs.media.languages import language_in, same_language, shortest_code
from gptasr_subs.media.stated_size import MEND_HEADER, unstated_bytes, whole_length

# How far ffmpeg looks for the first audio: a minute of microseconds, and bytes. By default it gives
# up after 5 s.
SEARCH_LIMITS = {"analyzeduration": 60_000_000, "probesize": 50_000_000}

# Codecs of subtitles that are pictures and hold no text.
BITMAP_SUBTITLES = frozenset({"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "xsub"})

_TIMEOUT = 60  # seconds
# Frames a second between which a picture moves: fewer are slides, covers or a desktop, and more is
# what containers state that do not know
_MOVING = (12.0, 240.0)
# How far the mean rate may lie from the container's own, or half of it (fields), as a share
_EVEN = 0.1
# Dispositions of audio about the video, not of it
_COMMENTARY = ("comment", "descriptions", "visual_impaired", "karaoke")
# The same said by a title, in the languages of many releases: commentaries, descriptions for the
# blind, audio without voices. Abbreviations count only in capitals.
_ASIDE = re.compile(
    r"[ck]omm?ent[aá]|comment[oi]\b|comments?\b|kommentti|des[ck]r[iy][pbçz]|h[öo]rfilm|"
    r"visual(ly)?[ -]impair|\bblind|sehbehindert|malvoyant|non[ -]?vedenti|isolated|\bscore\b|"
    r"music[ -](only|and effects|& effects)|karaoke|instrumental",
    re.IGNORECASE,
)
_ASIDE_ABBREVIATED = re.compile(r"\b(AD|DVS|DV)\b|\bM&E\b")


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One audio track; ``index`` counts audio tracks only, from 0.

    ``language`` is taken from the title where no tag names it. ``commentary``: spoken about the
    video (or sung, or without voices), not what is said in it.
    """

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

    ``duration`` is in seconds, 0 where the file does not say; ``fps`` are frames a second of the
    video in the mean, if any; ``base_fps`` those of which its times are multiples, as the container
    has it; ``width`` and ``height`` as players show the picture. ``video_codec`` is empty without
    one.
    """

    duration: float
    audio: tuple[AudioTrack, ...]
    subtitles: tuple[SubtitleTrack, ...] = ()
    fps: float | None = None
    width: int = 0
    height: int = 0
    base_fps: float | None = None
    video_codec: str = ""

    @property
    def even_fps(self) -> float | None:
        """Frames a second by which times may be counted.

        None without a picture, and where its rate is tiny, variable or cannot be.
        """
        if not self.fps or not _MOVING[0] <= self.fps <= _MOVING[1]:
            return None
        ratio = (self.base_fps or self.fps) / self.fps
        return self.fps if min(abs(ratio - 1), abs(ratio / 2 - 1)) <= _EVEN else None


def probe(path: str | os.PathLike[str]) -> MediaInfo:
    """Look into a media file.

    Raises MediaError where it is missing, unreadable, not media or without audio.
    """
    info = _media_info(inspect(path))
    if not info.audio:
        raise MediaError(
            f"{str(Path(path))!r} has no audio track, so there is nothing to subtitle."
        )
    return replace(info, duration=0.0) if unstated_bytes(Path(path)) else info


def inspect(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what ffprobe says of a media file as JSON ("format", "streams").

    Raises MediaError where it is not media.
    """
    media = Path(path)
    refuse_unreadable(media)
    if not shutil.which("ffprobe"):
        return _ask_ffmpeg(media)
    shape = ["-show_format", "-show_streams", "-of", "json"]
    command = ["ffprobe", "-v", "error", *_search_options(media), *shape, ffmpeg_url(media)]
    done = run_probe(command, media)
    try:
        facts: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise _not_media(media, done.stderr) from error
    if not facts.get("streams"):
        raise _not_media(media, done.stderr)
    return facts


def choose_track(info: MediaInfo, track: int | str | None, language: str = "en") -> int:
    """Return the audio track asked for by index or language (``en``, ``eng``), else the best one.

    That is one in ``language``, else of unknown language, else of another; then the default one. A
    commentary or description is chosen only by its index, or if nothing else is there. Raises
    MediaError where there is no such track; the message lists those there are.
    """
    if track is None:

        def rank(audio: AudioTrack) -> tuple[bool, bool, bool, bool, int]:
            is_other = not same_language(audio.language, language)
            is_known = bool(audio.language)
            return audio.commentary, is_other, is_known, not audio.default, audio.index

        return min(info.audio, key=rank).index
    if isinstance(track, int) or track.isdecimal():
        found = [a for a in info.audio if a.index == int(track)]
    else:
        found = [a for a in info.audio if same_language(a.language, track)]
    if not found:
        there = "; ".join(
            f"{a.index}: {a.language or 'language unknown'}, {a.codec}" for a in info.audio
        )
        raise MediaError(
            f"There is no audio track {str(track)!r}; choose --audio-track from: {there}."
        )
    return min(found, key=lambda a: (a.commentary, a.index)).index


def refuse_unreadable(media: Path) -> None:
    """Raise MediaError, with the reason, where there is no file that can be read."""
    name = repr(str(media))
    try:
        if media.is_dir():
            raise MediaError(f"{name} is a folder; give a media file in it.")
        if media.exists() and not media.is_file():
            raise MediaError(
                f"{name} is not a file but a pipe or a device; save its content to a file first."
            )
        with media.open("rb") as file:
            empty = not file.read(1)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # a null byte is a ValueError
        raise MediaError(f"There is no file {name}; check the name.") from None
    except PermissionError as error:
        raise MediaError(f"{name} may not be read; ask for the rights to it.") from error
    except OSError as error:
        raise MediaError(
            f"{name} cannot be read ({error.strerror}); check the disk or the share."
        ) from error
    if empty:
        raise MediaError(f"{name} is empty; copy or download it again.")


def run_probe(command: list[str], media: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that only looks into a file. Raises MediaError where it takes too long."""
    try:
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=_TIMEOUT,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise MediaError(
            f"{str(media)!r} cannot be read in time; check the disk or the share it lies on."
        ) from error


def _media_info(facts: dict[str, Any]) -> MediaInfo:
    """From the JSON of ffprobe."""
    streams: list[dict[str, Any]] = facts["streams"]
    audio = [stream for stream in streams if stream.get("codec_type") == "audio"]
    texts = [stream for stream in streams if stream.get("codec_type") == "subtitle"]
    pictures = [
        stream
        for stream in streams
        if stream.get("codec_type") == "video"
        and not stream.get("disposition", {}).get("attached_pic")
    ]
    video = pictures[0] if pictures else {}
    size = _shown_size(video)
    stated = [part.get("duration") for part in (facts.get("format", {}), *streams)]
    return MediaInfo(
        duration=max((float(value) for value in stated if _is_number(value)), default=0.0),
        audio=tuple(_audio_track(index, stream) for index, stream in enumerate(audio)),
        subtitles=tuple(
            SubtitleTrack(index, _codec(stream), _language(stream))
            for index, stream in enumerate(texts)
        ),
        fps=_frame_rate(video.get("avg_frame_rate", "")),
        width=size[0],
        height=size[1],
        base_fps=_frame_rate(video.get("r_frame_rate", "")),
        video_codec=_codec(video) if video else "",
    )


def _shown_size(video: dict[str, Any]) -> tuple[int, int]:
    """Width and height as players show them: turned, and with pixels that are no squares."""
    width = int(video.get("width", 0))
    height = int(video.get("height", 0))
    wide, _, high = video.get("sample_aspect_ratio", "").partition(":")
    if wide.isdecimal() and high.isdecimal() and int(wide) and int(high):
        width = round(width * int(wide) / int(high))
    turns = [part["rotation"] for part in video.get("side_data_list", []) if "rotation" in part]
    turns.append(_tags(video).get("rotate", 0))  # older ffmpegs
    return (height, width) if any(round(float(turn)) % 180 for turn in turns) else (width, height)


def _audio_track(index: int, stream: dict[str, Any]) -> AudioTrack:
    disposition = stream.get("disposition", {})
    title = _tags(stream).get("title", "")
    is_aside = bool(_ASIDE.search(title) or _ASIDE_ABBREVIATED.search(title))
    return AudioTrack(
        index=index,
        codec=_codec(stream),
        channels=int(stream.get("channels", 0)),
        language=_language(stream) or language_in(title),
        title=title,
        default=bool(disposition.get("default")),
        commentary=any(disposition.get(name) for name in _COMMENTARY) or is_aside,
    )


def _codec(stream: dict[str, Any]) -> str:
    return str(stream.get("codec_name", "unknown"))


def _language(stream: dict[str, Any]) -> str:
    tag = _tags(stream).get("language", "")
    return tag if shortest_code(tag) else ""


def _tags(stream: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in stream.get("tags", {}).items()}


def _is_number(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value) is not None


def _frame_rate(fraction: str) -> float | None:
    """``30000/1001`` as a number; None for ``0/0`` and the like."""
    top, _, bottom = fraction.partition("/")
    bottom = bottom or "1"
    if not (_is_number(top) and _is_number(bottom)) or not float(top) or not float(bottom):
        return None
    return float(top) / float(bottom)


_CLOCK = re.compile(r" +Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")
_STREAM = re.compile(r" +Stream #0:(\d+)(?:\[0x[0-9a-f]+\])?(?:\(([^)]*)\))?: (\w+): (\w+)(.*)")
_TURN = re.compile(r"displaymatrix: rotation of (-?[\d.]+) degrees")
# Names of tags are filled up to 16 letters; the container's stand further left than streams'
_TAG = re.compile(r"(?P<left> {4}| {6})(?P<name>[^\s:][^:]{15,}): (?P<value>.*)")


def _ask_ffmpeg(media: Path) -> dict[str, Any]:
    """Put what ``ffmpeg -i`` prints in ffprobe's words, for where no ffprobe is installed."""
    url = ffmpeg_url(media)
    command = [find_ffmpeg(), "-nostdin", "-hide_banner", *_search_options(media), "-i", url]
    output = run_probe(command, media).stderr.replace(url, "")
    streams: list[dict[str, Any]] = []
    container: dict[str, Any] = {"tags": {}}
    for line in output.split("\n"):
        if clock := _CLOCK.match(line):
            container["duration"] = str(3600 * int(clock[1]) + 60 * int(clock[2]) + float(clock[3]))
        elif stream := _STREAM.match(line):
            streams.append(_printed_stream(*stream.groups(default="")))
        elif streams and (turn := _TURN.search(line)):
            streams[-1]["side_data_list"] = [{"rotation": float(turn[1])}]
        elif (tag := _TAG.match(line)) and (len(tag["left"]) > 4) == bool(streams):
            tags = streams[-1]["tags"] if streams else container["tags"]
            tags.setdefault(tag["name"].strip(), tag["value"])
    if not streams:
        raise _not_media(media, output)
    # Streams that belong together are printed together, wherever they stand.
    return {"format": container, "streams": sorted(streams, key=lambda stream: stream["index"])}


def _printed_stream(index: str, language: str, kind: str, codec: str, facts: str) -> dict[str, Any]:
    """One stream line of ``ffmpeg -i`` as ffprobe describes a stream.

    ``facts`` is what follows the codec.
    """
    dispositions = re.findall(r"\(([a-z ]+)\)", facts)
    fps = re.search(r"([\d.]+k?) fps", facts)
    base = re.search(r"([\d.]+k?) tbr", facts)
    size = re.search(r" (\d{2,5})x(\d{2,5})", facts)
    aspect = re.search(r"\bSAR (\d+:\d+)", facts)
    layout = re.search(r" Hz, ([^,\n]+)", facts)
    codec_tag = re.search(r"\((\w+) / 0x", facts)
    return {
        "index": int(index),
        "codec_type": kind.lower(),
        "codec_name": "unknown" if codec == "none" else codec,
        "codec_tag_string": codec_tag[1] if codec_tag else "",
        "channels": _channels(layout[1]) if layout else 0,
        "avg_frame_rate": _in_full(fps[1]) if fps else "",
        "r_frame_rate": _in_full(base[1]) if base else "",
        "width": size[1] if size else 0,
        "height": size[2] if size else 0,
        "sample_aspect_ratio": aspect[1] if aspect else "",
        "disposition": {name.replace(" ", "_"): 1 for name in dispositions},
        "tags": {"language": language},
    }


def _in_full(rate: str) -> str:
    """Return a rate in full that ffmpeg prints short: ``90k`` is 90000."""
    return rate if rate[-1] != "k" else str(1000 * float(rate[:-1]))


def _channels(layout: str) -> int:
    """``stereo`` is 2, ``5.1(side)`` is 6, ``3 channels`` is 3; 0 for other names."""
    name = layout.partition("(")[0]
    named = {"mono": 1, "stereo": 2, "downmix": 2, "quad": 4, "hexagonal": 6, "octagonal": 8}
    return named.get(name, sum(int(digits) for digits in re.findall(r"\d+", name)))


def _search_options(media: Path) -> list[str]:
    options = {**SEARCH_LIMITS, **whole_length(media)}
    return [word for name, value in options.items() for word in (f"-{name}", str(value))]


def _not_media(media: Path, output: str) -> MediaError:
    unread = f"{str(media)!r} is no media that ffmpeg can read"
    error = MediaError(
        f"{unread}: it holds more than its header says; {MEND_HEADER}."
        if unstated_bytes(media)
        else f"{unread}, or it is cut short; check that it plays."
    )
    error.__cause__ = RuntimeError(output.strip())
    return error
