"""What a container says of itself and its streams: when and where it was made, titles, own keys."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_KEY_LIST = re.compile(rb"hdlr.{8}mdta", re.DOTALL)
# What kind of MP4 it is: ffmpeg puts its own before those that are there
_BRANDS = frozenset({"major_brand", "minor_version", "compatible_brands"})
# Of the program that wrote the container, or counted anew by it
_OF_THE_WRITER = _BRANDS | {"encoder", "vendor_id", "duration", "timecode", "language"}


def has_own_keys(header: bytes) -> bool:
    """Return whether the header of a MOV or MP4 has a list of own keys, as telephones write it
    (``com.apple.quicktime.make``): ffmpeg writes one only if asked to, and then nothing else.
    """
    return _KEY_LIST.search(header) is not None


def kept_brand(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return ffmpeg's option for the kind of MP4 that a file says it is, if players go by it."""
    brand = facts.get("format", {}).get("tags", {}).get("major_brand", "").rpartition(";")[2]
    return {"brand": brand} if brand.startswith(("M4V", "mp4")) else {}


def tags_to_state(facts: Mapping[str, Any]) -> list[str]:
    """Return ``name=value`` of what ffmpeg would lose or write twice if it only copied it.

    It joins values of one name that a file has in two places: ``2024;2024``.
    """
    tags = facts.get("format", {}).get("tags", {})
    once = {name: _once(str(value)) for name, value in tags.items() if _is_kept(name)}
    once |= {name: tags[name].rpartition(";")[2] for name in _BRANDS & tags.keys()}
    return [f"{name}={value}" for name, value in once.items() if value != tags[name]]


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
    tags = part.get("tags", {}).items()
    return {name.lower(): _once(str(value)) for name, value in tags if _is_kept(name)}


def _is_kept(name: str) -> bool:
    name = name.lower()
    return name not in _OF_THE_WRITER and not name.startswith("_statistics")


def _once(value: str) -> str:
    """Return a value without its double; one moment may be written in two ways."""
    value = value.replace(".000000Z", "Z")
    first, _, rest = value.partition(";")
    return first if rest and set(rest.split(";")) == {first} else value
