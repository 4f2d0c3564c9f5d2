"""Sound files that hold more than their header says: recorders that lost power, streams saved as
they came, more than 4 GiB in a field of 32 bits.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

_TRIFLE = 1 << 16  # bytes behind the end that may be rubbish
_LETTERS = re.compile(rb"[ -~]{4}")

MEND_HEADER = "mend its header, or import it into an audio editor as raw data and save that"


@dataclass(frozen=True, slots=True)
class _Kind:
    """How files of one kind begin, and how they store their chunks: name, size, content."""

    begin: re.Pattern[bytes]
    first: int  # byte at which the first chunk begins
    order: Literal["little", "big"]  # of the bytes of a size
    name: int = 4  # bytes
    size: int = 4
    counts_head: bool = False  # name and size are part of the size
    align: int = 2
    names: re.Pattern[bytes] = _LETTERS  # how they begin
    shortest: int = 0  # smaller sizes mean: up to the end of the file


_WAVE = re.compile(rb"(RIFF|RF64|BW64)....WAVE", re.DOTALL)
_ASF_NAMES = re.compile(
    rb"[\x306]&\xb2\x75|\x90\x08\0\x33|\xd3\x29\xe2\xd6|\xf8\x03\xb1\xfe|\xd0\x3f\xb7\x3c"
)
_KINDS = (
    _Kind(_WAVE, 12, "little"),
    _Kind(re.compile(rb"FORM....AIF[FC]", re.DOTALL), 12, "big"),
    _Kind(re.compile(rb"caff"), 8, "big", size=8, align=1, shortest=1),
    _Kind(  # Wave64
        re.compile(rb"riff\x2e\x91\xcf\x11"), 40, "little",
        name=16, size=8, counts_head=True, align=8,
    ),
    _Kind(  # Windows Media
        re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), 0, "little",
        name=16, size=8, counts_head=True, align=1, names=_ASF_NAMES, shortest=100,
    ),
)  # fmt: skip


def unstated_bytes(media: Path) -> int:
    """Return how many bytes lie where the header says that nothing does.

    0 for a trifle, and for files of other kinds.
    """
    with media.open("rb") as file:
        start = file.read(12)
        kind = next((kind for kind in _KINDS if kind.begin.match(start)), None)
        length = os.fstat(file.fileno()).st_size
        rest = length - _end_of_chunks(file, kind, length) if kind else 0
    return rest if rest > _TRIFLE else 0


def whole_length(media: Path) -> dict[str, int]:
    """Return ffmpeg's options for an input that is to be read up to the end of the file, whatever
    its header says; none where they are not needed, or ffmpeg has none.
    """
    with media.open("rb") as file:
        is_wave = _WAVE.match(file.read(12))
    return {"ignore_length": 1} if is_wave and unstated_bytes(media) else {}


def _end_of_chunks(file: IO[bytes], kind: _Kind, length: int) -> int:
    """Return the byte at which the chunks end that the header tells of."""
    head = kind.name + kind.size
    place = kind.first
    long_size = None  # of the audio in RF64, where the chunk's own size has no room for it
    while place + head <= length:
        file.seek(place)
        name = file.read(kind.name)
        size = int.from_bytes(file.read(kind.size), kind.order)
        if not kind.names.match(name):
            break
        if size < kind.shortest:
            return length
        if kind.counts_head and size < head:
            break
        if name == b"ds64":
            long_size = int.from_bytes(file.read(16)[8:], kind.order)
        elif name == b"data" and long_size is not None:
            size = long_size
        place += size if kind.counts_head else head + size
        place += -place % kind.align
    return place
