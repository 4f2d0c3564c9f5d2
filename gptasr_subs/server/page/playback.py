"""What the page plays and draws: a film itself, a copy that browsers can play, its waveform."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gptasr_subs.errors import MediaError
from gptasr_subs.jobs.queue import Job
from gptasr_subs.media.probe import AudioTrack, choose_track, probe
from gptasr_subs.server.answers import Refusal
from gptasr_subs.server.page.films import find_film, language_of, refuse_missing
from gptasr_subs.server.page.proxies import Kind
from gptasr_subs.server.queueing import find_job
from gptasr_subs.server.services import Services, services_of
from gptasr_subs.storage.files import file_stamp

_PER_SECOND = (10, 20, 25, 40, 50, 80, 100)  # moments a second of a waveform

# What browsers play as it is: files that end so, with these codecs. Not all of them play Matroska;
# the page asks for a copy where its browser does not.
_PLAYABLE = {".mkv", ".mp4", ".m4v", ".mov", ".m4a", ".webm"}
_PLAYABLE |= {".mp3", ".wav", ".ogg", ".oga", ".flac"}
_VIDEO_CODECS = {"", "h264", "vp8", "vp9", "av1"}
_AUDIO_CODECS = {"aac", "mp3", "opus", "vorbis", "flac", "pcm_s16le"}


@dataclass(frozen=True, slots=True)
class Playback:
    """How a film is played. ``is_native``: browsers need no copy of it."""

    track: AudioTrack
    has_video: bool
    is_native: bool
    seconds: float

    @property
    def kind(self) -> Kind:
        """The copy that takes its place."""
        return "video" if self.has_video else "audio"


async def media_facts(job: Job, services: Services) -> dict[str, Any]:
    """What the page needs to know to play a film."""
    address = f"/jobs/{job.id}"
    facts = {"url": f"{address}/media", "proxy": f"{address}/proxy", "has_video": False}
    try:
        await asyncio.to_thread(refuse_missing, job, services)
        playback = await _playback(job)
    except Refusal:
        return {**facts, "kind": "none"}
    kind = "native" if playback.is_native else "proxy"
    return {**facts, "has_video": playback.has_video, "kind": kind}


async def media(request: Request) -> Response:
    """The film as it is, or a range of it."""
    job = await find_film(request)
    return _file(job.path, mimetypes.guess_type(job.path.name)[0] or "application/octet-stream")


async def show_proxy(request: Request) -> Response:
    """The copy, or a range of it."""
    job = await find_film(request)
    kind = _asked_kind(request) or (await _playback(job)).kind
    path = services_of(request).proxies.find(job.path, kind)
    if not path.is_file():
        raise Refusal(409, "The copy is not made yet; POST to this address begins one.")
    return _file(path, f"{kind}/webm")


async def make_proxy(request: Request) -> Response:
    """Begin the copy, or say how far it is."""
    job = await find_film(request)
    proxies = services_of(request).proxies
    playback = await _playback(job)
    kind = _asked_kind(request) or playback.kind
    proxies.make(job.path, playback.track.index, kind, playback.seconds)
    state = proxies.state(job.path, kind)
    return JSONResponse(state, 202 if state["state"] == "making" else 200)


async def cancel_proxy(request: Request) -> Response:
    """Stop what is being made of a film."""
    job = await find_job(request)
    await services_of(request).proxies.cancel(job.path)
    return Response(status_code=204)


async def peaks(request: Request) -> Response:
    """The waveform: sent while it is computed, later from the cache."""
    job = await find_film(request)
    per_second = request.query_params.get("per_second", "50")
    if per_second not in map(str, _PER_SECOND):
        raise Refusal(400, f"per_second is one of {', '.join(map(str, _PER_SECOND))}.")
    playback = await _playback(job)
    proxies = services_of(request).proxies
    target = proxies.path(job.path, f"{playback.track.index}-{per_second}.peaks")
    if await asyncio.to_thread(target.is_file):
        return _file(target, "application/octet-stream")
    parts = _computed(job.path, playback.track, int(per_second), target)
    first = await anext(parts, b"")  # raises Refusal while the status can still say so

    async def all_parts() -> AsyncGenerator[bytes, None]:
        try:
            yield first
            async for part in parts:
                yield part
        finally:
            await parts.aclose()

    return StreamingResponse(all_parts(), media_type="application/octet-stream")


ROUTES = [
    Route("/jobs/{number:int}/media", media),
    Route("/jobs/{number:int}/proxy", show_proxy),
    Route("/jobs/{number:int}/proxy", make_proxy, methods=["POST"]),
    Route("/jobs/{number:int}/proxy", cancel_proxy, methods=["DELETE"]),
    Route("/jobs/{number:int}/peaks", peaks),
]


async def _playback(job: Job) -> Playback:
    """How the film of a job is played. Raises Refusal where it cannot be."""

    def look() -> Playback:
        stamp = file_stamp(job.path)
        return _look(job.path, stamp, job.options.get("audio_track"), language=language_of(job))

    try:
        return await asyncio.to_thread(look)
    except MediaError as error:
        raise Refusal(422, f"The film of the job {job.id} cannot be read.") from error


@lru_cache(maxsize=32)
def _look(
    path: Path, stamp: tuple[int, int, int] | None, wanted: int | str | None, *, language: str
) -> Playback:
    """Ask ffprobe, once for each ``stamp`` of a file: the page needs the answer three times."""
    info = probe(path)
    track = choose_track(info, wanted, language)
    codecs_are_right = (
        info.video_codec in _VIDEO_CODECS and info.audio[track].codec in _AUDIO_CODECS
    )
    is_native = track == 0 and path.suffix.lower() in _PLAYABLE and codecs_are_right
    return Playback(info.audio[track], bool(info.width), is_native, info.duration)


def _asked_kind(request: Request) -> Kind | None:
    """The copy that a client asks for, if it says so. Raises Refusal."""
    kind = request.query_params.get("kind") or None
    if kind not in (None, "audio", "video"):
        raise Refusal(400, "kind is audio or video.")
    return cast("Kind | None", kind)


async def _computed(
    path: Path, track: AudioTrack, per_second: int, target: Path
) -> AsyncGenerator[bytes, None]:
    from gptasr_subs.server.page.peaks import compute_peaks

    parts = compute_peaks(path, track, per_second, target)
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1)
    try:
        while part := await loop.run_in_executor(thread, next, parts, b""):
            yield part
    except MediaError as error:
        raise Refusal(422, "The audio of this film cannot be decoded.") from error
    finally:
        thread.submit(parts.close)  # after the block at work, which cannot be interrupted
        thread.shutdown(wait=False)


def _file(path: Path, kind: str) -> Response:
    return FileResponse(path, media_type=kind, headers={"cache-control": "no-cache"})
