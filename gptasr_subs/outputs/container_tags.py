"""What a container says of itself and its streams: when and where it was made, titles, own keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Of the program that wrote the container, or counted anew by it
_OF_THE_WRITER = frozenset({
    "major_brand", "minor_version", "compatible_brands", "encoder", "vendor_id", "duration",
    "timecode", "language",
})  # fmt: skip


def has_own_keys(facts: Mapping[str, Any]) -> bool:
    """Return whether a MOV or MP4 has keys like those of telephones (``com.apple.quicktime.make``),
    which ffmpeg writes only if asked to.
    """
    return any("." in name for name in facts.get("format", {}).get("tags", {}))


def lost_tags(
    before: Mapping[str, Any], after: Mapping[str, Any], kept: Sequence[int]
) -> list[str]:
    """Return the names of what ``before`` says and ``after`` does not, both as from ffprobe.

    ``kept`` are the streams of ``before`` that are to be in ``after``, in the same order within
    each kind.
    """
    pairs = [(before.get("format", {}), after.get("format", {}))]
    for kind in {before["streams"][number].get("codec_type") for number in kept}:
        old = (before["streams"][number] for number in kept)
        of_kind = [stream for stream in old if stream.get("codec_type") == kind]
        new = (stream for stream in after["streams"] if stream.get("codec_type") == kind)
        pairs += zip(of_kind, new, strict=False)
    lost: set[str] = set()
    for one, other in pairs:
        tags = _tags(other)
        lost |= {name for name, value in _tags(one).items() if tags.get(name) != value}
    return sorted(lost)


def _tags(part: Mapping[str, Any]) -> dict[str, str]:
    named = {name.lower(): str(value) for name, value in part.get("tags", {}).items()}
    return {
        name: value.replace(".000000Z", "Z")  # one moment, written in two ways
        for name, value in named.items()
        if name not in _OF_THE_WRITER and not name.startswith("_statistics")
    }
