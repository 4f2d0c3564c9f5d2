"""The header of MP4 and MOV files, for what ffmpeg does not tell of it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

MOST_BYTES = 256 << 20  # larger headers are none

_LARGE = 1  # a size that says: the true one follows in eight bytes
_TRIFLE = 0.1  # seconds at the end that an encoder may have filled up


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


def read_movie_header(media: Path) -> bytes:
    """As ``movie_header``, of the file at a path."""
    with media.open("rb") as file:
        return movie_header(file)


class EditStart(NamedTuple):
    """Where in a track the film begins, in the track's own units, and those of a second."""

    ticks: int
    units: int

    @property
    def seconds(self) -> float:
        """How much of the track lies before."""
        return self.ticks / self.units


def edit_starts(header: bytes) -> list[EditStart | None]:
    """Return for each track of a ``moov`` where in it the film begins.

    None if its edit list does more than hide what lies before: parts, pauses, a cut end. There are
    no tracks in a header that cannot be read.
    """
    tracks = [content for name, content in _boxes(header) if name == b"trak"]
    starts: list[EditStart | None] = []
    try:
        movie_units, _ = _units_and_duration(_inside(header, b"mvhd"))
        for track in tracks:
            units, duration = _units_and_duration(_inside(track, b"mdia", b"mdhd"))
            edits = _inside(track, b"edts", b"elst")
            count = int.from_bytes(edits[4:8], "big")
            if count != 1:
                starts.append(None if count else EditStart(0, units))
                continue
            shown, start = struct.unpack_from(">Qq" if edits[0] else ">Ii", edits, 8)
            hidden = (duration - start) / units - shown / movie_units if shown else 0.0
            is_whole = start >= 0 and hidden <= _TRIFLE
            starts.append(EditStart(start, units) if is_whole else None)
    except (struct.error, IndexError, ZeroDivisionError):
        return []
    return starts


def _units_and_duration(header: bytes) -> tuple[int, int]:
    """Units a second, and the duration in them, of the header of a movie or of a track's media."""
    is_large = header[0]
    units, duration = struct.unpack_from(
        ">IQ" if is_large else ">II", header, 20 if is_large else 12
    )
    return units, duration


def _inside(box: bytes, *names: bytes) -> bytes:
    """Return the content of the box at the end of a path of names; empty if there is none."""
    for wanted in names:
        box = next((content for name, content in _boxes(box) if name == wanted), b"")
    return box


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of each box."""
    place = 0
    while len(head := content[place : place + 8]) == 8:
        size = max(int.from_bytes(head[:4], "big"), 8)
        yield head[4:], content[place + 8 : place + size]
        place += size
