"""``/jobs/N/document``: the text of a film, its versions, and what its norms say of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from math import isinf
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gptasr_subs.jobs.queue import Job
from gptasr_subs.server.answers import Refusal
from gptasr_subs.server.bodies import read_json
from gptasr_subs.server.page.cues import NamedCue, parse_cues, rename_cues
from gptasr_subs.server.page.films import ask_edits, norms_of, open_film, rewrite_files
from gptasr_subs.server.page.playback import media_facts
from gptasr_subs.server.page.versions import Film, Outdated, Version
from gptasr_subs.server.queueing import find_job
from gptasr_subs.server.services import services_of
from gptasr_subs.storage.files import MIB

_LIMIT = 32 * MIB  # bytes of all cues of a film


async def show(request: Request) -> Response:
    """The newest version, with the recogniser's words."""
    job = await find_job(request)
    film = await open_film(job, services_of(request))
    newest = await _newest(job)
    headers = {"etag": _etag(newest.number), "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    media = await media_facts(job, services_of(request))
    text = await asyncio.to_thread(_document, film, newest, media)
    return Response(text, headers=headers, media_type="application/json")


async def save(request: Request) -> Response:
    """A new version, made of the one that If-Match names; on disk before it is answered."""
    job = await find_job(request)
    film = await open_film(job, services_of(request))
    edited = request.headers.get("if-match", "").strip().removeprefix("W/").strip('"')
    if not edited.isdecimal() or len(edited) > 15:
        raise Refusal(428, "Say in If-Match which version was edited, by the ETag of the document.")
    base = int(edited)
    cues = parse_cues(await read_json(request, _LIMIT))
    try:
        number = await ask_edits(lambda edits: edits.save(job.id, base, cues))
    except Outdated:
        newest = await _newest(job)
        answer = {
            "error": f"Version {newest.number} was saved elsewhere; choose which to keep.",
            **_version_facts(newest),
        }
        return JSONResponse(answer, 412, {"etag": _etag(newest.number)})
    remark = await asyncio.to_thread(rewrite_files, job, film, cues, is_first=base == 1)
    answer = {"version": number, **({"remark": remark} if remark else {})}
    return JSONResponse(answer, headers={"etag": _etag(number)})


async def versions(request: Request) -> Response:
    """All versions of a film."""
    job = await find_job(request)
    history = await ask_edits(lambda edits: edits.history(job.id))
    return JSONResponse({"versions": history}, headers={"cache-control": "no-store"})


async def version(request: Request) -> Response:
    """One version of a film."""
    job = await find_job(request)
    number = request.path_params["version"]
    found = await ask_edits(lambda edits: edits.version(job.id, number))
    if found is None:
        raise Refusal(404, f"The job {job.id} has no version {number}; /versions lists them.")
    return JSONResponse(_version_facts(found))


async def check(request: Request) -> Response:
    """What in cues breaks the norms, by the rules of ``gptasr-subs lint``."""
    film = await open_film(await find_job(request), services_of(request))
    cues = parse_cues(await read_json(request, _LIMIT))
    return JSONResponse({"faults": await asyncio.to_thread(_faults, cues, film)})


async def fix(request: Request) -> Response:
    """Cues within the norms, as ``gptasr-subs fix`` brings them there; nothing is saved."""
    film = await open_film(await find_job(request), services_of(request))
    cues = parse_cues(await read_json(request, _LIMIT))
    fixed = await asyncio.to_thread(_fixed, cues, film)
    return JSONResponse({"cues": [named.as_json() for named in fixed]})


ROUTES = [
    Route("/jobs/{number:int}/document", show),
    Route("/jobs/{number:int}/document", save, methods=["PUT"]),
    Route("/jobs/{number:int}/versions", versions),
    Route("/jobs/{number:int}/versions/{version:int}", version),
    Route("/jobs/{number:int}/lint", check, methods=["POST"]),
    Route("/jobs/{number:int}/fix", fix, methods=["POST"]),
]


async def _newest(job: Job) -> Version:
    found = await ask_edits(lambda edits: edits.version(job.id, edits.newest(job.id)))
    if found is None:
        raise Refusal(404, f"The job {job.id} was deleted meanwhile.")
    return found


def _etag(number: int) -> str:
    return f'"{number}"'


def _document(film: Film, newest: Version, media: dict[str, Any]) -> str:
    norms = norms_of(film)
    names = ("max_chars", "max_lines", "max_chars_per_second", "min_seconds", "max_seconds", "gap")
    limits = {name: getattr(norms, name) for name in names}
    finite = {name: None if isinf(limit) else limit for name, limit in limits.items()}
    facts = {
        **_version_facts(newest),
        "title": film.title,
        "duration": film.seconds,
        "language": film.language,
        "norms": {"name": "netflix", **finite, "fps": film.fps},
        "media": media,
    }
    rest = json.dumps(facts, ensure_ascii=False, allow_nan=False)
    return f'{{"words":{film.words_json},{rest[1:]}'


def _version_facts(version: Version) -> dict[str, Any]:
    return {"version": version.number, "cues": [named.as_json() for named in version.cues]}


def _faults(cues: Sequence[NamedCue], film: Film) -> list[dict[str, Any]]:
    from gptasr_subs.cues.lint import lint

    report = lint([named.cue for named in cues], norms_of(film))
    return [
        {
            "cue": cues[fault.cue - 1].id,
            "rule": fault.rule,
            "message": fault.message,
            "severity": fault.severity,
        }
        for fault in report.violations
    ]


def _fixed(cues: Sequence[NamedCue], film: Film) -> list[NamedCue]:
    from gptasr_subs.cues.repair import fix_cues

    return rename_cues(fix_cues([named.cue for named in cues], norms_of(film)), cues)
