"""Whether the audio of an MP4 file is encrypted: streaming services and audiobook shops do so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO

from gptasr_subs.errors import MediaError

# Sample entries of encrypted audio (Common Encryption, FairPlay, Audible), each after its size
_ENCRYPTED_AUDIO = re.compile(rb"\0\0..(enca|drms|aavd|aaxc)\0\0\0\0\0\0", re.DOTALL)
_MOST_BYTES = 256 << 20  # larger headers are none
_LARGE = 1  # a size that says: the true one follows in eight bytes


def refuse_encrypted(media: Path) -> None:
    """Raise MediaError where the audio is encrypted: some ffmpegs make noise of it, others fail."""
    with media.open("rb") as file:
        header = _movie_header(file)
    if _ENCRYPTED_AUDIO.search(header):
        raise MediaError(
            f"The audio of {str(media)!r} is encrypted (DRM), so it cannot be decoded without "
            "its key; give a copy without protection."
        )


def _movie_header(file: IO[bytes]) -> bytes:
    """The box ``moov`` of an MP4 file, wherever it stands; empty for other files."""
    while len(start := file.read(8)) == 8:
        size = int.from_bytes(start[:4], "big")
        read = 8
        if size == _LARGE:
            size = int.from_bytes(file.read(8), "big")
            read = 16
        if not start[4:].isalnum() or size < read:  # no MP4, or a last box without a size
            return b""
        if start[4:] == b"moov":
            return file.read(min(size - read, _MOST_BYTES))
        file.seek(size - read, 1)
    return b""
