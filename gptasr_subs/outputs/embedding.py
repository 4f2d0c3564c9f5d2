"""Subtitles as a track inside the video, which the viewer can switch off.

All that was there is copied bit for bit.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gptasr_subs.errors import MediaError, OutputError
from gptasr_subs.formats import Document, render
from gptasr_subs.media.ffmpeg import build_command, join_streams, open_input, run_ffmpeg
from gptasr_subs.media.languages import language_name, same_language, three_letter_code
from gptasr_subs.media.mp4 import read_movie_header
from gptasr_subs.media.probe import BITMAP_SUBTITLES, inspect
from gptasr_subs.outputs.container_tags import has_own_keys, kept_brand, lost_tags, tags_to_state
from gptasr_subs.outputs.cut_films import cut_starts, everything_of, is_same_cut, keep_cut
from gptasr_subs.storage.files import MIB, atomic_replace
from gptasr_subs.types import Cue

Stream = dict[str, Any]  # as ffprobe describes one

# Each container: its muxer in ffmpeg, its codec for text, and the format we give ffmpeg.
_CONTAINERS = {
    ".mkv": ("matroska", "subrip", "srt"),
    ".webm": ("webm", "webvtt", "vtt"),
    ".mp4": ("mp4", "mov_text", "srt"),
    ".m4v": ("mp4", "mov_text", "srt"),
    ".mov": ("mov", "mov_text", "srt"),
}
# Data of MP4 that ffmpeg writes anew: from the chapters and the time code
_REMADE = frozenset({"text", "tmcd"})
_COPY = {"c": "copy", "copy_unknown": None}
_SPARE_BYTES = 16 * MIB


@dataclass(frozen=True, slots=True)
class Track:
    """A subtitle track to add: its language as ISO 639 writes it, and what it is for."""

    language: str = "en"
    sdh: bool = False
    forced: bool = False

    @property
    def title(self) -> str:
        """What players list it as, and by which it is known again: ``English (automatic, SDH)``."""
        flags = ["automatic"]
        if self.sdh:
            flags.append("SDH")
        if self.forced:
            flags.append("forced")
        return f"{language_name(self.language)} ({', '.join(flags)})"


def embedded_track(media: Path, track: Track) -> bool:
    """Return whether the video has text in this track's language already.

    Forced text counts only if forced is asked for. Raises MediaError where the file is no media, or
    of a kind that holds no text track.
    """
    _container(media)
    for stream in inspect(media)["streams"]:
        is_text = _is_kind(stream, "subtitle") and stream.get("codec_name") not in BITMAP_SUBTITLES
        is_forced = bool(stream.get("disposition", {}).get("forced"))
        language = stream.get("tags", {}).get("language", "")
        if is_text and is_forced == track.forced and same_language(language, track.language):
            return True
    return False


def embed(media: Path, cues: Sequence[Cue], track: Track) -> None:
    """Put ``cues`` into the video as one more track.

    One of the same title is replaced, the rest stays as it was. The new file takes the old one's
    place only when every other stream in it is proven to be the same, bit for bit, and what the
    file says of itself (time and place of recording, titles, own keys) is all there. Raises
    MediaError or OutputError, and the video is then untouched.
    """
    if not cues:
        raise MediaError(
            f"There are no subtitles to put into {str(media)!r}: there is no speech in it."
        )
    muxer, codec, text_format = _container(media)
    facts = inspect(media)
    streams: list[Stream] = facts["streams"]
    kept = [i for i, stream in enumerate(streams) if not _is_left_out(stream, muxer, track)]
    with TemporaryDirectory() as folder, atomic_replace(media, keep_times=True) as temporary:
        _refuse_full_disk(media)
        text = Path(folder, f"subtitles.{text_format}")
        text.write_text(render(Document(tuple(cues)), text_format), encoding="utf-8")
        covers = _save_covers(media, streams, Path(folder)) if muxer == "matroska" else {}
        mapped = [i for i in kept if i not in covers]
        number = sum(_is_kind(streams[i], "subtitle") for i in mapped)
        header = read_movie_header(media)
        everything = everything_of(header)
        starts = cut_starts(header, streams)
        cut = [starts.get(i) for i in mapped]
        source = open_input(media, **(everything if starts else {}))
        options = {
            "format": muxer,
            **_writer_options(muxer, header, facts),
            **keep_cut([streams[i] for i in mapped], cut),
            **_COPY,
            f"c:s:{number}": codec,
            **_labels(track, number),
            **_attachments(streams, mapped, covers),
        }
        new = join_streams(
            *(source[str(i)] for i in mapped), open_input(text)["0"], to=temporary, **options
        )
        # One run writes the new file and hashes what it reads of the old one.
        old = _hash_output(open_input(media, **everything), kept)
        before = _hashes(build_command(new, old, overwrite=True), media)
        new_facts = inspect(temporary)
        everywhere = range(len(new_facts["streams"]))
        copied = _hash_output(open_input(temporary, **everything), everywhere)
        if before - _hashes(build_command(copied), media):
            raise _left_as_it_is(f"copy all of {str(media)!r} exactly")
        new_starts = cut_starts(read_movie_header(temporary), new_facts["streams"])
        if not is_same_cut(cut, new_starts):
            raise _left_as_it_is(f"keep where {str(media)!r} was cut")
        if lost := lost_tags(facts, new_facts, mapped):
            raise _left_as_it_is(f"keep what {str(media)!r} says of itself ({', '.join(lost)})")


def _container(media: Path) -> tuple[str, str, str]:
    found = _CONTAINERS.get(media.suffix.lower())
    if not found:
        kinds = ", ".join(sorted(end.lstrip(".") for end in _CONTAINERS))
        raise MediaError(
            f"{str(media)!r} cannot hold a subtitle track; "
            f"convert it to one of {kinds}, or do not embed."
        )
    return found


def _writer_options(muxer: str, header: bytes, facts: dict[str, Any]) -> dict[str, str | list[str]]:
    """Return options with which ffmpeg keeps what the container says.

    It drops the time of recording unless the metadata are copied by name.
    """
    metadata: dict[str, str | list[str]] = {"map_metadata": "0", "metadata": tags_to_state(facts)}
    if muxer in ("mp4", "mov"):
        flags = "+faststart+use_metadata_tags" if has_own_keys(header) else "+faststart"
        return {**metadata, **kept_brand(facts), "movflags": flags}
    # Otherwise ffmpeg marks tracks as default that were not
    return {**metadata, "default_mode": "passthrough"}


def _is_left_out(stream: Stream, muxer: str, track: Track) -> bool:
    """Return whether ffmpeg makes a stream anew, or the new track replaces it."""
    if _is_kind(stream, "data"):
        return muxer in ("mp4", "mov") and stream.get("codec_tag_string") in _REMADE
    tags = stream.get("tags", {})
    titles = (tags.get("title"), tags.get("handler_name"))
    return _is_kind(stream, "subtitle") and track.title in titles


def _is_kind(stream: Stream, kind: str) -> bool:
    return bool(stream.get("codec_type") == kind)


def _refuse_full_disk(media: Path) -> None:
    needed = media.stat().st_size + _SPARE_BYTES
    if shutil.disk_usage(Path(os.path.realpath(media)).parent).free < needed:
        raise OutputError(
            f"{str(media)!r} needs {needed // MIB} MiB beside it while it is rewritten; "
            "free some space."
        )


def _save_covers(media: Path, streams: Sequence[Stream], folder: Path) -> dict[int, Path]:
    """Save the pictures attached to a Matroska file, by stream: copied as streams, they would
    become videos.
    """
    covers = {
        i: folder / f"cover{i}"
        for i, s in enumerate(streams)
        if s.get("disposition", {}).get("attached_pic")
    }
    for index, path in covers.items():
        picture = join_streams(
            open_input(media)[str(index)], to=path, format="image2pipe", c="copy"
        )
        _finish(build_command(picture, overwrite=True), media)
    return covers


def _attachments(
    streams: Sequence[Stream], mapped: Sequence[int], covers: dict[int, Path]
) -> dict[str, list[str]]:
    options: dict[str, list[str]] = {"attach": [str(path) for path in covers.values()]}
    first = sum(_is_kind(streams[i], "attachment") for i in mapped)
    for number, index in enumerate(covers, first):
        tags = {name.lower(): value for name, value in streams[index].get("tags", {}).items()}
        tags = {"filename": "cover.jpg", "mimetype": "image/jpeg", **tags}
        options[f"metadata:s:t:{number}"] = [f"{name}={value}" for name, value in tags.items()]
    return options


def _labels(track: Track, number: int) -> dict[str, list[str] | str]:
    """Return language, title (MP4 has it as the handler's name) and flags of the new track."""
    tags = {
        "language": three_letter_code(track.language),
        "title": track.title,
        "handler_name": track.title,
    }
    dispositions = (("hearing_impaired", track.sdh), ("forced", track.forced))
    flags = [name for name, given in dispositions if given]
    return {
        f"metadata:s:s:{number}": [f"{name}={value}" for name, value in tags.items()],
        f"disposition:s:{number}": "+".join(flags) or "0",
    }


def _hash_output(source: Any, numbers: Iterable[int]) -> Any:
    """Return an output that prints a hash of each of these streams of an input."""
    streams = (source[str(number)] for number in numbers)
    return join_streams(*streams, to="pipe:1", format="streamhash", hash="murmur3", **_COPY)


def _left_as_it_is(what: str) -> MediaError:
    return MediaError(
        f"ffmpeg cannot {what}, so it was left as it is; write the subtitles beside it instead."
    )


def _hashes(command: list[str], media: Path) -> Counter[str]:
    """Kind and hash of each stream that the command passes on."""
    return Counter(line.partition(",")[2] for line in _finish(command, media).splitlines())


def _finish(command: list[str], media: Path) -> str:
    with run_ffmpeg(command) as (child, stderr_tail):
        output = child.stdout.read().decode() if child.stdout else ""
    if not child.returncode:
        return output
    reason = " ".join(stderr_tail)
    if "No space left" in reason:
        raise OutputError(
            f"{str(media)!r} could not be rewritten: the disk is full; free some space."
        )
    raise MediaError(
        f"{str(media)!r} holds something that ffmpeg cannot copy, so it was left as it is; "
        "write the subtitles beside it instead."
    ) from RuntimeError(reason)
