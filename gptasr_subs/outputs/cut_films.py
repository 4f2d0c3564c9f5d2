"""MP4 films that were cut without encoding: an edit list hides what lies before their begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gptasr_subs.media.mp4 import EditStart, edit_starts

_MOST_DELAY = 0.5  # seconds that encoders hide; more was cut off
_EXACT = 0.1  # seconds, less than any cut


def everything_of(header: bytes) -> dict[str, int]:
    """Return options of an input that is read with what the edit lists in its header hide."""
    return {"ignore_editlist": 1} if header else {}


def cut_starts(header: bytes, streams: Sequence[Mapping[str, Any]]) -> dict[int, EditStart]:
    """Return where in each stream, as ffprobe describes them, a cut film begins.

    Nothing for other films, and where ffmpeg cannot write what the edit lists say.
    """
    starts = edit_starts(header)
    tracks = [i for i, s in enumerate(streams) if not s.get("disposition", {}).get("attached_pic")]
    known = {i: start for i, start in zip(tracks, starts, strict=False) if start}
    is_cut = any(start.seconds > _MOST_DELAY for start in known.values())
    return known if is_cut and None not in starts else {}


def keep_cut(
    streams: Sequence[Mapping[str, Any]], starts: Sequence[EditStart | None]
) -> dict[str, Any]:
    """Return options of an output whose streams are to begin where they did, the rest hidden."""
    if not any(starts):
        return {}
    options: dict[str, Any] = {"copyts": None, "avoid_negative_ts": "disabled"}
    for number, (stream, start) in enumerate(zip(streams, starts, strict=True)):
        if start:
            shift = f"round({start.seconds}/TB)"
            options[f"bsf:{number}"] = f"setts=pts=PTS-{shift}:dts=DTS-{shift}"
        if start and stream.get("codec_type") == "video":  # some ffmpegs have the TB of before
            options["video_track_timescale"] = start.units
    return options


def is_same_cut(before: Sequence[EditStart | None], after: Mapping[int, EditStart]) -> bool:
    """Return whether the streams of a copy, which may have more of them, begin where they did."""
    wanted = [start.seconds for start in before if start]
    found = [start.seconds for start in after.values()][: len(wanted)]
    return len(found) == len(wanted) and all(
        abs(one - other) < _EXACT for one, other in zip(wanted, found, strict=True)
    )
