"""Whether the audio of an MP4 or Matroska file is encrypted: streaming services and audiobook shops
do so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO

from gptasr_subs.errors import MediaError
from gptasr_subs.media.mp4 import MOST_BYTES, movie_header

# Sample entries of encrypted audio (Common Encryption, FairPlay, Audible), each after its size
_ENCRYPTED_AUDIO = re.compile(rb"\0\0..(enca|drms|aavd|aaxc)\0\0\0\0\0\0", re.DOTALL)

# Elements of Matroska (and WebM)
_EBML = 0x1A45DFA3
_SEGMENT = 0x18538067
_CLUSTER = 0x1F43B675
_TRACKS = 0x1654AE6B
_TRACK_ENTRY = 0xAE
_TRACK_TYPE = 0x83
_CONTENT_ENCODINGS = 0x6D80
_CONTENT_ENCODING = 0x6240
_CONTENT_ENCRYPTION = 0x5035
_AUDIO = b"\2"


def refuse_encrypted(media: Path) -> None:
    """Raise MediaError where the audio is encrypted: some ffmpegs make noise of it, others fail."""
    with media.open("rb") as file:
        header = movie_header(file)
        file.seek(0)
        tracks = _matroska_tracks(file)
    encrypted = (
        _AUDIO in _inside(track, _TRACK_TYPE)
        for track in tracks
        for encodings in _inside(track, _CONTENT_ENCODINGS)
        for encoding in _inside(encodings, _CONTENT_ENCODING)
        for _ in _inside(encoding, _CONTENT_ENCRYPTION)
    )
    if _ENCRYPTED_AUDIO.search(header) or any(encrypted):
        raise MediaError(
            f"The audio of {str(media)!r} is encrypted (DRM), so it cannot be decoded without "
            "its key; give a copy without protection."
        )


def _matroska_tracks(file: IO[bytes]) -> list[bytes]:
    """Return the track entries of a Matroska file; none for other files."""
    name, size = _element(file)
    if name != _EBML:
        return []
    file.seek(size, 1)
    while name not in (0, _CLUSTER):
        name, size = _element(file)
        if name == _TRACKS:
            return list(_inside(file.read(min(size, MOST_BYTES)), _TRACK_ENTRY))
        if name != _SEGMENT:  # whose content is looked at
            file.seek(size, 1)
    return []


def _inside(data: bytes, wanted: int) -> Iterator[bytes]:
    """Yield the contents of all elements of one name in the content of another."""
    file = BytesIO(data)
    while file.tell() < len(data):
        name, size = _element(file)
        content = file.read(size)
        if name == wanted:
            yield content


def _element(file: IO[bytes]) -> tuple[int, int]:
    """Return the name of the element that begins here and the size of its content; (0, 0) at the
    end.

    Leading zero bits of the first byte tell how many bytes follow it; the bit after them is part of
    a name, not of a size.
    """
    name, _ = _number(file)
    size, marker = _number(file)
    return name, size ^ marker


def _number(file: IO[bytes]) -> tuple[int, int]:
    first = file.read(1)
    if not first or not first[0]:
        return 0, 0
    length = 9 - first[0].bit_length()
    return int.from_bytes(first + file.read(length - 1), "big"), 1 << 7 * length
