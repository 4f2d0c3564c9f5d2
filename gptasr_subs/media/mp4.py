"""The header of MP4 and MOV files, for what ffmpeg does not tell of it."""

from __future__ import annotations

from typing import IO

MOST_BYTES = 256 << 20  # larger headers are none

_LARGE = 1  # a size that says: the true one follows in eight bytes


def movie_header(file: IO[bytes]) -> bytes:
    """Return the box ``moov`` of an MP4 file, wherever it stands; empty for other files."""
    while len(start := file.read(8)) == 8:
        size = int.from_bytes(start[:4], "big")
        read = 8
        if size == _LARGE:
            size = int.from_bytes(file.read(8), "big")
            read = 16
        if not start[4:].isalnum() or size < read:  # no MP4, or a last box without a size
            return b""
        if start[4:] == b"moov":
            return file.read(min(size - read, MOST_BYTES))
        file.seek(size - read, 1)
    return b""
