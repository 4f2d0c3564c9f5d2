"""``/jobs``: the durable queue that ``gptasr-subs jobs`` and ``watch`` use, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from gptasr_subs.errors import FormatError, QueueError
from gptasr_subs.formats import get_format
from gptasr_subs.jobs.queue import Job, State
from gptasr_subs.server.answers import Refusal, event
from gptasr_subs.server.bodies import read_json
from gptasr_subs.server.messages import JobOver
from gptasr_subs.server.page.films import begin_film, forget_film, subtitles_of
from gptasr_subs.server.page.live import spoken_lines
from gptasr_subs.server.page.resumable import clean_name
from gptasr_subs.server.paths import allowed_file
from gptasr_subs.server.queueing import OVER, ask_queue, find_job
from gptasr_subs.server.services import Services, services_of
from gptasr_subs.server.uploads import read_form

LOOK_SECONDS = 1.0  # between two looks at a job whose events are sent
WATCH_SECONDS = 5.0  # between two looks at the queue, into which others put jobs too


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a client asks for."""

    formats: tuple[str, ...]
    language: str
    priority: int

    def options(self) -> dict[str, Any]:
        """As the queue keeps them."""
        return {"formats": list(self.formats), "language": self.language}


@asynccontextmanager
async def working_off(services: Services) -> AsyncIterator[None]:
    """Work the queue off while in the block, whoever puts jobs into it."""

    def settle(message: JobOver) -> None:
        document = services.recognition.job_texts.get(message.number)
        if document and message.elapsed:
            begin_film(message.number, document)
        if services.job_uploads.holds(message.path) and not message.will_retry:
            message.path.unlink(missing_ok=True)

    async def watch() -> None:
        while True:
            with contextlib.suppress(QueueError):  # said to the next client that needs it
                waiting = await ask_queue(lambda queue: queue.jobs(State.WAITING))
                if any(job.due <= time.time() for job in waiting):
                    services.recognition.work_queue()
            await asyncio.sleep(WATCH_SECONDS)

    services.recognition.on_job_over = settle
    watcher = asyncio.ensure_future(watch())
    try:
        yield
    finally:
        watcher.cancel()


async def add(request: Request) -> Response:
    """A new job: a form with a file, or a JSON object with the path of a file of this computer."""
    services = services_of(request)
    if request.headers.get("content-type", "").startswith("application/json"):
        content = await read_json(request)
        wanted = _parse_request(content, services)
        name = content.get("path")
        if isinstance(content.get("upload"), str):
            path = await asyncio.to_thread(services.films.finish, content["upload"])
        elif not isinstance(name, str) or not name or "\0" in name:
            raise Refusal(400, "Give the path of a file, or send the file in a form.")
        elif allowed := allowed_file(name, services.settings):
            path = allowed
        else:
            raise Refusal(403, "There is no such file in the folders that --root allows.")
    else:
        wanted, path = await _receive_form(request, services)
    job = await ask_queue(lambda queue: queue.add(path, wanted.options(), wanted.priority))
    services.recognition.work_queue()
    return JSONResponse(_facts(job, services), 201, {"location": f"/jobs/{job.id}"})


async def list_jobs(request: Request) -> Response:
    """All jobs, or those of some states."""
    services = services_of(request)
    try:
        states = [State(name) for name in request.query_params.getlist("state")]
    except ValueError as error:
        known = ", ".join(state.value for state in State)
        raise Refusal(400, f"There is no such state; choose from {known}.") from error
    found = await ask_queue(lambda queue: queue.jobs(*states))
    return JSONResponse({"jobs": [_facts(job, services) for job in found]})


async def show(request: Request) -> Response:
    """One job."""
    return JSONResponse(_facts(await find_job(request), services_of(request)))


async def delete(request: Request) -> Response:
    """Stop a job after the window at work. One that is over is forgotten, and all that was uploaded
    and made for it is removed.
    """
    services = services_of(request)
    job = await find_job(request)
    number = job.id
    if job.state in OVER:
        await ask_queue(lambda queue: queue.remove(number))
        await forget_film(job, services)
    else:
        job = await ask_queue(lambda queue: queue.cancel(number))
    services.recognition.cancel_job(number)
    if services.job_uploads.holds(job.path):
        await asyncio.to_thread(shutil.rmtree, job.path.parent, ignore_errors=True)
    return JSONResponse(_facts(job, services))


async def retry(request: Request) -> Response:
    """Let a job that failed or was stopped begin again."""
    services = services_of(request)
    job = await find_job(request)
    if not await asyncio.to_thread(job.path.is_file):
        raise Refusal(409, "The film of this job is not there any more; send it again.")
    try:
        job = await ask_queue(lambda queue: queue.retry(job.id))
    except QueueError as error:
        raise Refusal(409, str(error)) from error
    services.recognition.work_queue()
    return JSONResponse(_facts(job, services))


async def subtitles(request: Request) -> Response:
    """The subtitles of a job, in any format."""
    job = await find_job(request)
    try:
        format = get_format(request.path_params["format"])
    except FormatError as error:
        raise Refusal(404, str(error)) from error
    return PlainTextResponse(await asyncio.to_thread(subtitles_of, job, format.name))


async def events(request: Request) -> Response:
    """The job as it changes, until it is over."""
    await find_job(request)  # raises Refusal while the status can still say so

    async def changes() -> AsyncIterator[bytes]:
        services = services_of(request)
        sent = ""
        words_sent = 0
        while True:
            job = await find_job(request)
            if known := services.recognition.job_texts.get(job.id):
                for line in spoken_lines(known.words[words_sent:]):
                    yield event(line, "text")
                words_sent = max(words_sent, len(known.words))
            facts = json.dumps(_facts(job, services), ensure_ascii=False)
            yield event(facts, "job") if facts != sent else b": waiting\n\n"
            sent = facts
            if job.state in OVER:
                return
            await asyncio.sleep(LOOK_SECONDS)

    return StreamingResponse(
        changes(), media_type="text/event-stream", headers={"cache-control": "no-store"}
    )


ROUTES = [
    Route("/jobs", list_jobs),
    Route("/jobs", add, methods=["POST"]),
    Route("/jobs/{number:int}", show),
    Route("/jobs/{number:int}", delete, methods=["DELETE"]),
    Route("/jobs/{number:int}/retry", retry, methods=["POST"]),
    Route("/jobs/{number:int}/events", events),
    Route("/jobs/{number:int}/subtitles.{format}", subtitles),
]


def _facts(job: Job, services: Services) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "id": job.id,
        "state": job.state.value,
        "file": job.path.name,
        "reason": job.reason,
        "formats": job.options.get("formats", []),
        "language": job.options.get("language", services.settings.language),
        "priority": job.priority,
        "added": job.added,
        "changed": job.changed,
    }
    if not (services.job_uploads.holds(job.path) or services.films.holds(job.path)):
        facts["path"] = str(job.path)
    if job.state is State.RUNNING and job.id in services.recognition.job_progress:
        progress, begun = services.recognition.job_progress[job.id]
        elapsed = time.monotonic() - begun
        speed = progress.done / elapsed if elapsed else 0.0
        left = (progress.total - progress.done) / speed if speed else 0.0  # seconds it will take
        numbers = {"seconds": progress.done, "total": progress.total, "speed": speed, "left": left}
        facts["progress"] = {name: round(max(0.0, value), 2) for name, value in numbers.items()}
    return facts


async def _receive_form(request: Request, services: Services) -> tuple[JobRequest, Path]:
    """What a form asks for, and its file under its own name in a folder of its own."""
    form = await read_form(request, services.job_uploads, "file")
    content: dict[str, Any] = {name: values[-1] for name, values in form.fields.items()}
    if "formats" in content:
        content["formats"] = content["formats"].split(",")
    try:
        wanted = _parse_request(content, services)
    except Refusal:
        form.delete()
        raise
    folder = services.job_uploads.folder / secrets.token_hex(8)
    folder.mkdir(mode=0o700)
    return wanted, form.upload.path.replace(folder / clean_name(form.filename))


def _parse_request(content: dict[str, Any], services: Services) -> JobRequest:
    """What a description asks for. Raises Refusal for formats and languages that do not exist."""
    formats = content.get("formats", ["srt"])
    language = content.get("language", services.settings.language)
    try:
        names = tuple(dict.fromkeys(get_format(name.strip()).name for name in formats))
        priority = int(content.get("priority", 0))
    except FormatError as error:
        raise Refusal(400, str(error)) from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        sentence = "Give formats as a list of names and priority as a whole number."
        raise Refusal(400, sentence) from error
    if not names or not -1000 <= priority <= 1000:
        raise Refusal(400, "A job needs a format, and a priority from -1000 to 1000.")
    if not isinstance(language, str) or not re.fullmatch("[A-Za-z]{2,3}(-[A-Za-z0-9]+)*", language):
        raise Refusal(400, f"{language!r} is no language code; write it like en or en-US.")
    return JobRequest(names, language, priority)
