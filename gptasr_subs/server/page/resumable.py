"""Films that the page uploads: in pieces, so that a lost connection costs one piece.

They stay until their job is deleted.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gptasr_subs.server.answers import Refusal
from gptasr_subs.server.containers import refuse_unknown_container
from gptasr_subs.server.uploads import cannot_store, too_long
from gptasr_subs.storage.files import write_atomically

_BLOCK = 1 << 20  # bytes that are written at once
_ABANDONED = 7 * 24 * 3600.0  # seconds after which nobody goes on with an upload
_MAX_NAME = 100  # characters of a file's name that are kept


@dataclass(frozen=True, slots=True)
class Part:
    """An upload that has begun: its file, how large it will be, and the name of the film."""

    path: Path
    name: str
    size: int

    @property
    def offset(self) -> int:
        """Bytes that have come."""
        return self.path.stat().st_size


class ResumableUploads:
    """Uploads that have begun lie in ``parts``, each film that is whole in a folder of its own."""

    def __init__(self, folder: Path, max_bytes: int = 0) -> None:
        """``max_bytes`` of one upload; 0 for no limit."""
        self.folder = folder
        self._parts = folder / "parts"
        self._max_bytes = max_bytes
        self._receiving: set[str] = set()

    def prepare(self) -> None:
        """Make the folders, and remove what nobody has gone on with for a week."""
        self._parts.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self._parts.iterdir():
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink(missing_ok=True)

    def begin(self, name: str, size: int) -> str:
        """The id of a new upload. Raises Refusal where it would be too large."""
        if self._max_bytes and size > self._max_bytes:
            raise too_long(self._max_bytes)
        number = secrets.token_hex(16)
        try:
            facts = {"name": clean_name(name), "size": size}
            write_atomically(self._parts / f"{number}.json", json.dumps(facts))
            (self._parts / f"{number}.part").open("xb").close()
        except OSError as error:
            raise cannot_store(error) from error
        return number

    def find(self, number: str) -> Part:
        """One that has begun. Raises Refusal where there is none."""
        if re.fullmatch("[0-9a-f]{32}", number):
            path = self._parts / f"{number}.part"
            with suppress(OSError, ValueError):
                facts = json.loads(path.with_suffix(".json").read_bytes())
                path.stat()
                return Part(path, facts["name"], facts["size"])
        raise Refusal(404, "There is no such upload; begin one with POST /uploads.")

    async def receive(self, number: str, offset: int, data: AsyncIterator[bytes]) -> int:
        """Append what comes from ``offset`` on, and return how much there is now.

        What has come stays when the connection is lost. Raises Refusal.
        """
        part = self.find(number)
        if number in self._receiving:
            raise Refusal(409, "Another request sends this upload; ask for its offset again.")
        if offset != part.offset:
            raise Refusal(409, f"The upload goes on at {part.offset}, not at {offset}.")
        self._receiving.add(number)
        try:
            await _append(part, data)
        except OSError as error:
            raise cannot_store(error) from error
        finally:
            self._receiving.discard(number)
        return part.offset

    def finish(self, number: str) -> Path:
        """The film under its own name in a folder of its own.

        Raises Refusal where it is not whole, or nothing that is taken here.
        """
        part = self.find(number)
        if number in self._receiving or part.offset != part.size:
            raise Refusal(409, f"The upload has {part.offset} of {part.size} bytes; send the rest.")
        folder = self.folder / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        film = part.path.replace(folder / part.name)
        part.path.with_suffix(".json").unlink(missing_ok=True)
        try:
            refuse_unknown_container(film)  # under its own name, by which ffmpeg goes as well
        except Refusal:
            self.delete(film)
            raise
        return film

    def discard(self, number: str) -> None:
        """Remove an upload that is not wanted any more."""
        part = self.find(number)
        part.path.unlink(missing_ok=True)
        part.path.with_suffix(".json").unlink(missing_ok=True)

    def holds(self, film: Path) -> bool:
        """Whether a film lies here."""
        return film.is_relative_to(self.folder.absolute())

    def delete(self, film: Path) -> None:
        """Remove a film and what was written beside it."""
        if self.holds(film):
            shutil.rmtree(film.parent, ignore_errors=True)


async def _append(part: Part, data: AsyncIterator[bytes]) -> None:
    left = part.size - part.offset
    with part.path.open("ab") as file:
        waiting = bytearray()
        try:
            async for chunk in data:
                left -= len(chunk)
                if left < 0:
                    raise Refusal(413, f"The upload is larger than the {part.size} bytes it said.")
                waiting += chunk
                if len(waiting) >= _BLOCK:
                    await asyncio.to_thread(file.write, bytes(waiting))
                    waiting.clear()
        finally:
            file.write(waiting)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())


def clean_name(name: str) -> str:
    """A file's name without folders and signs that mean something to a system."""
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[^\w.,() \-]", "_", last).strip(". ")[-_MAX_NAME:] or "upload"
