"""Subtitles as a track inside the film, which the viewer can switch off; all that was there is copied bit for bit."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gptasr_subs.errors import MediaError, OutputError
from gptasr_subs.formats import Document, render
from gptasr_subs.media.decode import BITMAP_SUBTITLES, address, find_ffmpeg, inspect, running
from gptasr_subs.media.languages import language_name, same_language, three_letter_code
from gptasr_subs.storage.files import replacing
from gptasr_subs.types import Cue

Stream = dict[str, Any]  # as ffprobe describes one

_MATROSKA = ["-default_mode", "passthrough"]  # else ffmpeg marks tracks as default that were not
_MP4 = ["-movflags", "+faststart"]
# How each container is called by ffmpeg, what it calls text, what text we give it, and what its writer must be told.
_CONTAINERS = {
    ".mkv": ("matroska", "subrip", "srt", _MATROSKA),
    ".webm": ("webm", "webvtt", "vtt", _MATROSKA),
    ".mp4": ("mp4", "mov_text", "srt", _MP4),
    ".m4v": ("mp4", "mov_text", "srt", _MP4),
    ".mov": ("mov", "mov_text", "srt", _MP4),
}
_REMADE = frozenset({"text", "tmcd"})  # data of MP4 that ffmpeg writes anew: from the chapters and the time code
_SPARE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Track:
    """A subtitle track to add: its language as ISO 639 writes it, and what it is for."""

    language: str = "en"
    sdh: bool = False
    forced: bool = False

    @property
    def title(self) -> str:
        """What players list it as, and by which it is known again: ``English (automatic, SDH)``."""
        flags = ["automatic", *["SDH"] * self.sdh, *["forced"] * self.forced]
        return f"{language_name(self.language)} ({', '.join(flags)})"


def embedded_track(media: Path, track: Track) -> bool:
    """Whether the film has text in this track's language already; forced text counts only if forced is asked for.

    Raises MediaError where the file is no media, or of a kind that holds no text track.
    """
    _container(media)
    return any(_is_same(stream, track) for stream in inspect(media)["streams"])


def embed(media: Path, cues: Sequence[Cue], track: Track) -> None:
    """Put ``cues`` into the film as one more track; one of the same title is replaced, the rest stays as it was.

    The new file takes the old one's place only when every other stream in it is proven to be the same, bit for bit.
    Raises MediaError or OutputError, and the film is then untouched.
    """
    muxer, codec, text_format, _ = _container(media)
    streams: list[Stream] = inspect(media)["streams"]
    kept = [i for i, stream in enumerate(streams) if not _is_left_out(stream, muxer, track)]
    with TemporaryDirectory() as folder, replacing(media) as temporary:
        _refuse_full_disk(media)
        text = Path(folder, f"subtitles.{text_format}")
        text.write_text(render(Document(tuple(cues)), text_format), encoding="utf-8")
        covers = _save_covers(media, streams, Path(folder)) if muxer == "matroska" else {}
        mapped = [i for i in kept if i not in covers]
        number = sum(_is_kind(streams[i], "subtitle") for i in mapped)
        command = [find_ffmpeg(), "-nostdin", "-v", "error", "-y", "-i", address(media), "-i", address(text)]
        command += [*_maps(mapped), "-map", "1:0", *_attachments(streams, mapped, covers), "-c", "copy"]
        command += [f"-c:s:{number}", codec, *_labels(track, number), "-copy_unknown", *_container(media)[3]]
        command += ["-f", muxer, address(temporary), "-map", "0", *_HASHES]
        left_out = set(range(len(streams))) - set(kept)
        before = [found for index, found in _hashes(command, media).items() if index not in left_out]
        _refuse_changes(before, temporary, media)


def _container(media: Path) -> tuple[str, str, str, list[str]]:
    found = _CONTAINERS.get(media.suffix.lower())
    if not found:
        kinds = ", ".join(sorted(end.lstrip(".") for end in _CONTAINERS))
        raise MediaError(f"{str(media)!r} cannot hold a subtitle track; convert it to one of {kinds}, or do not embed.")
    return found


def _is_same(stream: Stream, track: Track) -> bool:
    if not _is_kind(stream, "subtitle") or stream.get("codec_name") in BITMAP_SUBTITLES:
        return False
    forced = bool(stream.get("disposition", {}).get("forced"))
    return forced == track.forced and same_language(stream.get("tags", {}).get("language", ""), track.language)


def _is_left_out(stream: Stream, muxer: str, track: Track) -> bool:
    """What ffmpeg makes anew, and the track that the new one replaces."""
    tags = stream.get("tags", {})
    if muxer in ("mp4", "mov") and _is_kind(stream, "data") and stream.get("codec_tag_string") in _REMADE:
        return True
    return _is_kind(stream, "subtitle") and track.title in (tags.get("title"), tags.get("handler_name"))


def _is_kind(stream: Stream, kind: str) -> bool:
    return bool(stream.get("codec_type") == kind)


def _refuse_full_disk(media: Path) -> None:
    needed = media.stat().st_size + _SPARE_BYTES
    if shutil.disk_usage(Path(os.path.realpath(media)).parent).free < needed:
        raise OutputError(f"{str(media)!r} needs {needed >> 20} MiB beside it while it is rewritten; free some space.")


def _save_covers(media: Path, streams: Sequence[Stream], folder: Path) -> dict[int, Path]:
    """Pictures attached to a Matroska file, by stream; copied as streams they would become videos."""
    covers = {i: folder / f"cover{i}" for i, s in enumerate(streams) if s.get("disposition", {}).get("attached_pic")}
    for index, path in covers.items():
        command = [find_ffmpeg(), "-nostdin", "-v", "error", "-y", "-i", address(media), *_maps([index])]
        _finish([*command, "-c", "copy", "-f", "image2pipe", address(path)], media)
    return covers


def _attachments(streams: Sequence[Stream], mapped: Sequence[int], covers: dict[int, Path]) -> list[str]:
    first, told = sum(_is_kind(streams[i], "attachment") for i in mapped), []
    for number, (index, path) in enumerate(covers.items(), first):
        told += ["-attach", str(path)]
        tags = {name.lower(): value for name, value in streams[index].get("tags", {}).items()}
        tags = {"filename": "cover.jpg", "mimetype": "image/jpeg", **tags}
        for name, value in tags.items():
            told += [f"-metadata:s:t:{number}", f"{name}={value}"]
    return told


def _labels(track: Track, number: int) -> list[str]:
    """Language, title (MP4 has it as the handler's name) and flags of the new track."""
    tags = {"language": three_letter_code(track.language), "title": track.title, "handler_name": track.title}
    told = [word for name, value in tags.items() for word in (f"-metadata:s:s:{number}", f"{name}={value}")]
    flags = "+".join(["hearing_impaired"] * track.sdh + ["forced"] * track.forced) or "0"
    return [*told, f"-disposition:s:{number}", flags]


def _maps(streams: Sequence[int]) -> list[str]:
    return [word for index in streams for word in ("-map", f"0:{index}")]


_HASHES = ["-c", "copy", "-copy_unknown", "-f", "streamhash", "-hash", "murmur3", "pipe:1"]


def _refuse_changes(before: Sequence[str], temporary: Path, media: Path) -> None:
    """Raise MediaError unless the new file holds what the old one did, and one track more."""
    command = [find_ffmpeg(), "-nostdin", "-v", "error", "-i", address(temporary), "-map", "0", *_HASHES]
    after = list(_hashes(command, media).values())
    for fingerprint in before:
        if fingerprint not in after:
            raise MediaError(
                f"ffmpeg cannot copy all of {str(media)!r} exactly, so it was left as it is; write the subtitles "
                "beside it instead."
            )
        after.remove(fingerprint)


def _hashes(command: list[str], media: Path) -> dict[int, str]:
    """Kind and hash of each stream that the command passes on, by its number."""
    lines = (line.split(",", 1) for line in _finish(command, media).splitlines())
    return {int(index): fingerprint for index, fingerprint in lines}


def _finish(command: list[str], media: Path) -> str:
    with running(command) as (child, complaints):
        told = child.stdout.read().decode() if child.stdout else ""
    if child.returncode:
        raise _refusal(media, complaints)
    return told


def _refusal(media: Path, complaints: deque[str]) -> MediaError | OutputError:
    reason = " ".join(complaints)
    if "No space left" in reason:
        return OutputError(f"{str(media)!r} could not be rewritten: the disk is full; free some space.")
    error = MediaError(
        f"{str(media)!r} holds something that ffmpeg cannot copy, so it was left as it is; write the subtitles beside "
        "it instead."
    )
    error.__cause__ = RuntimeError(reason)
    return error
