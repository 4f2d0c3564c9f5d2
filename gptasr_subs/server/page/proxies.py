"""Copies of films that every browser can play: Opus audio, or a small picture with it, in WebM.

One is made at a time. They lie in the cache under names made of the films'; a film that has changed
has another name there.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from gptasr_subs.errors import GptasrError, MediaError
from gptasr_subs.media.ffmpeg import build_command, complaint, join_streams, open_input, run_ffmpeg
from gptasr_subs.storage.files import atomic_replace, file_stamp

Kind = Literal["audio", "video"]

_log = logging.getLogger(__name__)
_OLD = 30 * 24 * 3600.0  # seconds after which a copy goes
_DONE = re.compile(rb"out_time_us=(\d+)")

# Speech in 32 kbit/s; a picture of at most 480 lines that two cores make faster than it plays, with
# a point to jump to every two seconds or so.
_AUDIO = {"c:a": "libopus", "b:a": "32k", "ac": 1, "af": "aresample=async=1:first_pts=0"}
_VIDEO = {
    "c:v": "libvpx",
    "b:v": "600k",
    "deadline": "realtime",
    "cpu-used": 8,
    "g": 48,
    "vf": "scale=-2:trunc(min(480\\,ih)/2)*2",
}


class _Cancelled(Exception):
    """The copy is not wanted any more."""


@dataclass
class Making:
    """A copy that is being made; ``done`` is the share that is ready, ``reason`` why it failed."""

    done: float = 0.0
    reason: str = ""
    cancelled: threading.Event = field(default_factory=threading.Event)
    task: asyncio.Task[None] | None = None


class Proxies:
    """The copies, and what becomes of those that are wanted."""

    def __init__(self, folder: Path) -> None:
        """``prepare`` makes the folder."""
        self.folder = folder
        self._makings: dict[Path, Making] = {}
        self._turn = asyncio.Lock()

    def prepare(self) -> None:
        """Make the folder, and remove what was made long ago: it can be made again."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self.folder.iterdir():
            if time.time() - path.stat().st_mtime > _OLD:
                path.unlink(missing_ok=True)

    def path(self, media: Path, ending: str) -> Path:
        """The file that belongs to a film as it is now, with this ending."""
        name = blake2b(f"{media}\n{file_stamp(media)}".encode(errors="replace"), digest_size=16)
        return self.folder / f"{name.hexdigest()}.{ending}"

    def find(self, media: Path, kind: Kind) -> Path:
        """Where a copy lies, or will."""
        return self.path(media, f"{kind}.webm")

    def make(self, media: Path, track: int, kind: Kind, seconds: float) -> None:
        """Begin a copy with an audio track, unless there is one or it is being made."""
        target = self.find(media, kind)
        if target.exists() or (target in self._makings and not self._makings[target].reason):
            return
        making = self._makings[target] = Making()

        def move(at: float) -> None:
            making.done = min(1.0, at / seconds) if seconds else 0.0
            if making.cancelled.is_set():
                raise _Cancelled

        async def work() -> None:
            try:
                async with self._turn:
                    move(0.0)
                    await asyncio.to_thread(copy_for_browsers, media, track, kind, target, move)
            except _Cancelled:
                return
            except GptasrError as error:
                making.reason = str(error)
                _log.warning("%s", error)
            else:
                del self._makings[target]

        making.task = asyncio.ensure_future(work())

    def state(self, media: Path, kind: Kind) -> dict[str, object]:
        """``ready``, ``making`` with the share that is done, ``failed`` with a reason, ``none``."""
        target = self.find(media, kind)
        if target.exists():
            return {"state": "ready", "done": 1.0}
        making = self._makings.get(target)
        if making is None:
            return {"state": "none", "done": 0.0}
        if making.reason:
            return {"state": "failed", "done": 0.0, "reason": making.reason}
        return {"state": "making", "done": round(making.done, 3)}

    async def cancel(self, media: Path | None = None) -> None:
        """Stop what is being made of a film, or all."""
        targets = (
            list(self._makings)
            if media is None
            else [self.find(media, "audio"), self.find(media, "video")]
        )
        stopped = [self._makings.pop(target) for target in targets if target in self._makings]
        for making in stopped:
            making.cancelled.set()
        tasks = {making.task for making in stopped if making.task}
        if tasks:
            await asyncio.wait(tasks)

    async def forget(self, media: Path) -> None:
        """Remove all that was made of a film."""
        await self.cancel(media)
        name = self.path(media, "")
        for path in self.folder.glob(f"{name.stem}.*"):
            path.unlink(missing_ok=True)


def copy_for_browsers(
    media: Path, track: int, kind: Kind, target: Path, on_progress: Callable[[float], None]
) -> None:
    """Make ``target``; ``on_progress`` gets the seconds that are done, and may raise.

    Raises MediaError where ffmpeg fails. ``target`` is whole or not there.
    """
    with atomic_replace(target) as temporary:
        source = open_input(media)
        streams = [source[f"a:{track}"]]
        settings: dict[str, object] = {"format": "webm", **_AUDIO}
        if kind == "video":
            streams.insert(0, source["v:0"])
            settings.update(_VIDEO)
        output = join_streams(*streams, to=temporary, **settings)
        command = build_command(output, overwrite=True, progress="pipe:1")
        with run_ffmpeg(command) as (child, stderr_tail):
            for line in child.stdout or ():
                if found := _DONE.match(line):
                    on_progress(int(found[1]) / 1e6)
        if child.returncode:
            raise MediaError(
                f"{media.name!r} cannot be made playable ({complaint(stderr_tail)}); "
                "play it with another program."
            )
