"""``/jobs/N/review``: where listening pays; and what corrections are good for afterwards: words to
expect in the film, windows that are read again, a corpus.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from math import inf
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gptasr_subs.errors import FormatError
from gptasr_subs.glossary.files import parse_glossary
from gptasr_subs.glossary.terms import combine
from gptasr_subs.jobs.queue import Job
from gptasr_subs.pipeline.options import Options
from gptasr_subs.server.answers import Refusal
from gptasr_subs.server.bodies import read_json
from gptasr_subs.server.messages import Finished
from gptasr_subs.server.page.changes import Change, changed_texts, changed_words, standing_words
from gptasr_subs.server.page.films import ask_edits, find_film, open_film
from gptasr_subs.server.page.review import plan_review
from gptasr_subs.server.page.versions import Film, Version
from gptasr_subs.server.queueing import find_job
from gptasr_subs.server.recognition import RecognitionTask, Source
from gptasr_subs.server.services import services_of
from gptasr_subs.server.waiting import AnswerStyle, answer_later

_MAX_WORDS = 100_000


async def show(request: Request) -> Response:
    """The stops that a budget of minutes pays for, and the bill."""
    job = await find_job(request)
    film = await open_film(job, services_of(request))
    seconds = _seconds(request.query_params.get("minutes"))
    newest, heard = await ask_edits(
        lambda edits: (edits.version(job.id, edits.newest(job.id)), edits.hear(job.id, ()))
    )
    standing = await asyncio.to_thread(_standing, film, newest)
    settled = set(range(len(film.words))) - standing | set(heard)
    review = await asyncio.to_thread(plan_review, film.words, settled, seconds)
    facts = {
        "expected_errors": round(review.expected, 2),
        "covered": round(review.covered, 2),
        "stops": [
            {
                "word": stop.word,
                "start": round(stop.start, 3),
                "end": round(stop.end, 3),
                "text": film.words[stop.word].text,
                "readings": list(film.words[stop.word].readings),
                "expected": round(stop.expected, 4),
                "seconds": round(stop.seconds, 2),
                "words": [stop.first, stop.last],
                "same": list(stop.same),
            }
            for stop in review.stops
        ],
    }
    return JSONResponse(facts, headers={"cache-control": "no-store"})


async def hear(request: Request) -> Response:
    """Note words that somebody has listened to: they are stops no longer."""
    job = await find_job(request)
    film = await open_film(job, services_of(request))
    words = (await read_json(request)).get("heard")
    if not isinstance(words, list) or not all(isinstance(word, int) for word in words):
        raise Refusal(400, 'Send the numbers of words as {"heard": [7, 8]}.')
    if not all(0 <= word < len(film.words) for word in words):
        raise Refusal(400, f"The words of this film are numbered 0 to {len(film.words) - 1}.")
    return JSONResponse({"heard": await ask_edits(lambda edits: edits.hear(job.id, words))})


async def expect(request: Request) -> Response:
    """Note a term that is said in the film, written as in a glossary."""
    job = await find_job(request)
    await open_film(job, services_of(request))
    term = (await read_json(request)).get("term")
    if not isinstance(term, str) or not term.strip() or "\n" in term:
        raise Refusal(400, 'Send one term as {"term": "Siobhan | shivawn"}.')
    try:
        parse_glossary(term, "the term")
    except FormatError as error:
        raise Refusal(400, str(error)) from error
    return JSONResponse({"terms": await ask_edits(lambda edits: edits.expect(job.id, [term]))})


async def reread(request: Request) -> Response:
    """What changes where a film is read again with the terms that were noted; nothing is saved."""
    from gptasr_subs.jobs.worker import options_of
    from gptasr_subs.pipeline.glossary import glossary_of

    services = services_of(request)
    job = await find_film(request)
    film = await open_film(job, services)
    options = options_of(job, Options(language=film.language))
    newest, terms = await ask_edits(
        lambda edits: (edits.version(job.id, edits.newest(job.id)), edits.expect(job.id, ()))
    )
    noted = [parse_glossary(term, "the term") for term in terms]
    found = await asyncio.to_thread(glossary_of, job.path, options)
    glossary = combine([found, *noted])

    def render(finished: Finished) -> str:
        words = finished.document.words if finished.document else ()
        changes = changed_words(film.words, words)
        standing = _standing(film, newest)
        kept = [change.as_json() for change in changes if standing.issuperset(change.words)]
        return json.dumps({"changes": kept}, ensure_ascii=False)

    task = RecognitionTask(Source.of_file(job.path), options, urgent=True, glossary=glossary)
    style = AnswerStyle(
        render,
        "application/json",
        services.settings.keepalive,
        blank=" ",
        apology=lambda refusal: json.dumps({"error": str(refusal)}),
    )
    return await answer_later(services.recognition, task, style)


async def corrections(request: Request) -> Response:
    """Every place whose text was changed, one JSON object a line; ``?audio`` adds its sound."""
    with_audio = "audio" in request.query_params
    job = await (find_film if with_audio else find_job)(request)
    await open_film(job, services_of(request))
    first, newest = await ask_edits(
        lambda edits: (edits.version(job.id, 1), edits.version(job.id, edits.newest(job.id)))
    )
    if first is None or newest is None:
        raise Refusal(404, f"The job {job.id} was deleted meanwhile.")
    changes = changed_texts([n.cue for n in first.cues], [n.cue for n in newest.cues])
    lines = _with_audio(job, changes) if with_audio else (c.as_json() for c in changes)

    async def text() -> AsyncIterator[bytes]:
        while (line := await asyncio.to_thread(next, lines, None)) is not None:
            yield (json.dumps(line, ensure_ascii=False) + "\n").encode()

    return StreamingResponse(text(), media_type="application/jsonl")


ROUTES = [
    Route("/jobs/{number:int}/review", show),
    Route("/jobs/{number:int}/review", hear, methods=["POST"]),
    Route("/jobs/{number:int}/glossary", expect, methods=["POST"]),
    Route("/jobs/{number:int}/reread", reread, methods=["POST"]),
    Route("/jobs/{number:int}/corrections.jsonl", corrections),
]


def _seconds(minutes: str | None) -> float:
    if minutes is None:
        return inf
    try:
        seconds = 60 * float(minutes)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < inf:
        raise Refusal(400, "minutes is a number such as 10.")
    return seconds


def _standing(film: Film, newest: Version | None) -> set[int]:
    return standing_words(film.words, [named.cue for named in newest.cues] if newest else [])


def _with_audio(job: Job, changes: Sequence[Change]) -> Iterator[dict[str, Any]]:
    from gptasr_subs.server.page.sound import wavs_of

    sounds = wavs_of(job.path, [(change.start, change.end) for change in changes])
    for change, sound in zip(changes, sounds, strict=True):
        yield {**change.as_json(), "audio": sound}
