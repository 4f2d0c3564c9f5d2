"""Subtitles drawn into the picture of a copy of the video, for players and sites that show no
others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from gptasr_subs.errors import MediaError
from gptasr_subs.formats import Document, render
from gptasr_subs.media.ffmpeg import build_command, complaint, join_streams, open_input, run_ffmpeg
from gptasr_subs.media.probe import MediaInfo, probe
from gptasr_subs.media.sidecars import BURNED
from gptasr_subs.storage.files import atomic_replace
from gptasr_subs.types import Cue

_MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov"}
# Audio codecs that these containers take. Others are mostly the uncompressed audio of cameras,
# which ALAC keeps without loss.
_TAKEN = {
    "mp4": re.compile("aac|mp[23]|e?ac3|dts|alac|opus|vorbis|flac|truehd|mp4als"),
    "mov": re.compile("aac|mp[23]|e?ac3|alac|pcm_.*|adpcm_(ms|ima_wav|ima_qt)|gsm"),
}
# x264 takes only even sizes with this kind of colour.
_EVEN = "pad=ceil(iw/2)*2:ceil(ih/2)*2"
_TEXT = "subtitles.srt"

# Sizes are those of libass for SubRip: the picture is 288 high. The box has three quarters of black
# behind the text.
_HEIGHT = 288
_LARGEST = 18
_SMALLEST = 8
_LINE_CHARS = 42
_CHAR_WIDTH = 0.5  # of the font's size, on average
STYLES = {
    "outline": "BorderStyle=1,Outline=1.2,Shadow=0.5,MarginV=16",
    "box": "BorderStyle=3,Outline=3,Shadow=0,OutlineColour=&H40000000,BackColour=&H40000000,"
    "MarginV=16",
}


def burned_path(media: Path, directory: Path | None = None) -> Path:
    """``movie.subtitled.mp4``; what is not MP4 becomes MKV, which takes every kind of audio."""
    suffix = media.suffix if media.suffix.lower() in _MUXERS else ".mkv"
    return (directory or media.parent) / f"{media.stem}{BURNED}{suffix}"


def require_picture(media: Path) -> MediaInfo:
    """Return what is in a media file; raises MediaError where that is no picture."""
    info = probe(media)
    if not info.fps:
        raise MediaError(f"{str(media)!r} has no picture to draw subtitles into; leave out --burn.")
    return info


def burn(
    media: Path,
    cues: Sequence[Cue],
    target: Path,
    *,
    quality: int = 20,
    style: str = "outline",
    on_progress: Callable[[float, float], None] | None = None,
) -> None:
    """Write to ``target`` the video with ``cues`` drawn into it: video anew as H.264, audio
    copied (or as ALAC, without loss, where the container does not take it).

    ``quality`` is x264's constant rate factor, 0 to 51, lower is better; ``style`` is one of
    ``STYLES`` or ASS fields like ``Fontname=Arial,Fontsize=20``; ``on_progress`` is called with
    the seconds done and in all. Raises MediaError, OutputError.
    """
    if not cues:
        raise MediaError(
            f"There are no subtitles to draw into {str(media)!r}: there is no speech in it."
        )
    info = require_picture(media)
    with TemporaryDirectory() as folder, atomic_replace(target) as temporary:
        # A plain name in the folder ffmpeg runs in: no file name has to be escaped within the
        # filter.
        Path(folder, _TEXT).write_text(render(Document(tuple(cues)), "srt"), encoding="utf-8")
        source = open_input(media)
        drawn = f"subtitles={_TEXT}:force_style='{ass_style(style, info)}'"
        video = {
            "vf": f"{drawn},{_EVEN},format=yuv420p",
            "c:v": "libx264",
            "preset": "medium",
            "crf": quality,
        }
        muxer = _MUXERS.get(target.suffix.lower(), "matroska")
        audio: dict[str, str | int] = {"c:a": "copy", "strict": -2}  # some codecs are new to MP4
        container = {"format": muxer}
        if taken := _TAKEN.get(muxer):
            container["movflags"] = "+faststart"
            foreign = (track.index for track in info.audio if not taken.fullmatch(track.codec))
            audio |= {f"c:a:{index}": "alac" for index in foreign}
        copy = join_streams(
            source["V:0"], source["a?"], to=temporary, **video, **audio, **container
        )
        command = build_command(copy, overwrite=True, progress="pipe:1")
        _encode(command, folder, media, seconds=info.duration, on_progress=on_progress)


def ass_style(style: str, info: MediaInfo) -> str:
    """Return the ASS fields of a style; a full line of text is as wide as the picture allows."""
    room = 0.9 * _HEIGHT * info.width / max(info.height, 1)
    size = max(_SMALLEST, min(_LARGEST, round(room / (_LINE_CHARS * _CHAR_WIDTH))))
    return f"Fontsize={size},{STYLES.get(style, style)}"


def _encode(
    command: list[str],
    folder: str,
    media: Path,
    *,
    seconds: float,
    on_progress: Callable[[float, float], None] | None,
) -> None:
    """Run the command in ``folder``; ``on_progress`` is called as ffmpeg reports its progress."""
    with run_ffmpeg(command, folder) as (child, stderr_tail):
        for line in child.stdout or ():
            name, _, value = line.decode().strip().partition("=")
            if on_progress and name == "out_time_us" and value.isdecimal():
                done = int(value) / 1e6
                on_progress(min(done, seconds or done), seconds)
    if child.returncode:
        reason = complaint(stderr_tail) or "it gave no reason"
        error = MediaError(
            f"ffmpeg could not draw the subtitles into {str(media)!r} ({reason}); "
            "check --burn-style, the disk, and that this ffmpeg has libass and libx264."
        )
        error.__cause__ = RuntimeError("\n".join(stderr_tail))
        raise error
