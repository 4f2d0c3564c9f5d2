"""``/jobs``: the durable queue that ``gptasr-subs jobs`` and ``watch`` use, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from gptasr_subs.errors import FormatError, GptasrError, QueueError
from gptasr_subs.formats import Document, get_format, is_readable, read, render
from gptasr_subs.jobs.queue import Job, Queue, State, open_queue
from gptasr_subs.media.sidecars import existing_subtitles, sidecar_path
from gptasr_subs.server.answers import Refusal, event
from gptasr_subs.server.messages import JobOver
from gptasr_subs.server.paths import allowed_file
from gptasr_subs.server.services import Services, services_of
from gptasr_subs.server.uploads import read_form

LOOK_SECONDS = 1.0  # between two looks at a job whose events are sent
WATCH_SECONDS = 5.0  # between two looks at the queue, into which others put jobs too
OVER = (State.DONE, State.SKIPPED, State.FAILED, State.CANCELLED)

_MAX_NAME = 100  # characters of an uploaded file's name that are kept
_MAX_JSON = 1 << 20  # bytes
_T = TypeVar("_T")


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

    def delete_upload(message: JobOver) -> None:
        if _is_upload(services, message.path) and not message.will_retry:
            message.path.unlink(missing_ok=True)

    services.recognition.on_job_over = delete_upload
    watcher = asyncio.ensure_future(_watch(services))
    try:
        yield
    finally:
        watcher.cancel()


async def add(request: Request) -> Response:
    """A new job: a form with a file, or a JSON object with the path of a file of this computer."""
    services = services_of(request)
    if request.headers.get("content-type", "").startswith("application/json"):
        content = await _read_json(request)
        wanted = _parse_request(content, services)
        name = content.get("path")
        if not isinstance(name, str) or not name or "\0" in name:
            raise Refusal(400, "Give the path of a file, or send the file in a form.")
        path = allowed_file(name, services.settings)
        if path is None:
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
    return JSONResponse(_facts(await _job(request), services_of(request)))


async def delete(request: Request) -> Response:
    """Stop a job after the window at work, and remove what was uploaded and made for it."""
    services = services_of(request)
    number = request.path_params["number"]
    await _job(request)
    job = await ask_queue(lambda queue: queue.cancel(number))
    services.recognition.cancel_job(number)
    if _is_upload(services, job.path):
        await asyncio.to_thread(shutil.rmtree, job.path.parent, ignore_errors=True)
    return JSONResponse(_facts(job, services))


async def subtitles(request: Request) -> Response:
    """The subtitles of a job, in any format."""
    job = await _job(request)
    try:
        format = get_format(request.path_params["format"])
    except FormatError as error:
        raise Refusal(404, str(error)) from error
    if job.state not in (State.DONE, State.SKIPPED):
        raise Refusal(409, f"The job {job.id} is {job.state.value} and has no subtitles yet.")
    text = await asyncio.to_thread(_subtitles_of, job, format.name)
    return PlainTextResponse(text)


async def events(request: Request) -> Response:
    """The job as it changes, until it is over."""
    await _job(request)  # raises Refusal while the status can still say so

    async def changes() -> AsyncIterator[bytes]:
        services = services_of(request)
        sent = ""
        while True:
            job = await _job(request)
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
    Route("/jobs/{number:int}/events", events),
    Route("/jobs/{number:int}/subtitles.{format}", subtitles),
]


async def _watch(services: Services) -> None:
    """Have the queue worked off whenever something is due."""
    while True:
        with contextlib.suppress(QueueError):  # said to the next client that needs it
            waiting = await ask_queue(lambda queue: queue.jobs(State.WAITING))
            if any(job.due <= time.time() for job in waiting):
                services.recognition.work_queue()
        await asyncio.sleep(WATCH_SECONDS)


async def ask_queue(question: Callable[[Queue], _T]) -> _T:
    """Return an answer of the queue, whose connection belongs to one thread."""

    def ask() -> _T:
        with open_queue() as queue:
            return question(queue)

    return await asyncio.to_thread(ask)


async def _job(request: Request) -> Job:
    number = request.path_params["number"]
    try:
        return await ask_queue(lambda queue: queue.get(number))
    except (QueueError, OverflowError) as error:
        raise Refusal(404, f"There is no job {number}; GET /jobs lists those there are.") from error


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
    if not _is_upload(services, job.path):
        facts["path"] = str(job.path)
    if job.state is State.RUNNING and job.id in services.recognition.job_progress:
        facts["progress"] = _progress(*services.recognition.job_progress[job.id])
    return facts


def _progress(progress: Any, begun: float) -> dict[str, float]:
    """Seconds of the media that are done, their speed, and how many seconds it will still take."""
    elapsed = time.monotonic() - begun
    speed = progress.done / elapsed if elapsed else 0.0
    left = (progress.total - progress.done) / speed if speed else 0.0
    numbers = {"seconds": progress.done, "total": progress.total, "speed": speed, "left": left}
    return {name: round(max(0.0, number), 2) for name, number in numbers.items()}


async def _read_json(request: Request) -> dict[str, Any]:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > _MAX_JSON:
            raise Refusal(413, "A job is described in less than a megabyte.")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "This is no JSON; send an object with a path.") from error
    if not isinstance(content, dict):
        raise Refusal(400, 'Send an object such as {"path": "/films/x.mkv"}.')
    return content


async def _receive_form(request: Request, services: Services) -> tuple[JobRequest, Path]:
    """What a form asks for, and its file under its own name in a folder of its own."""
    form = await read_form(request, services.job_uploads, "file")
    content: dict[str, Any] = {name: values[-1] for name, values in form.fields.items()}
    if "formats" in content:
        content["formats"] = content["formats"].split(",")
    try:
        wanted = _parse_request(content, services)
        if form.upload is None:
            raise Refusal(400, "The form has no file; send one as 'file'.")
    except Refusal:
        form.delete()
        raise
    name = re.split(r"[/\\]", form.filename)[-1]
    name = re.sub(r"[^\w.,() \-]", "_", name).strip(". ")[-_MAX_NAME:]
    folder = services.job_uploads.folder / secrets.token_hex(8)
    folder.mkdir(mode=0o700)
    return wanted, form.upload.path.replace(folder / (name or "upload"))


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


def _is_upload(services: Services, path: Path) -> bool:
    return path.is_relative_to(services.job_uploads.folder.absolute())


def _subtitles_of(job: Job, format: str) -> str:
    """The file that was written in this format, else what another one says in it."""
    language = job.options.get("language", "en")
    folder = Path(job.options["output_dir"]) if job.options.get("output_dir") else None
    there = existing_subtitles(job.path, language, directory=folder)
    for name in job.options.get("formats", []):  # players know nothing of JSON and plain text
        made = sidecar_path(job.path, language, get_format(name).extension, directory=folder)
        if made.is_file() and made not in there:
            there.append(made)
    extension = get_format(format).extension
    for path in there:
        if path.suffix == f".{extension}":
            return path.read_text(encoding="utf-8", errors="replace")
    readable = [path for path in there if is_readable(path)]
    if not readable:
        raise Refusal(404, f"The subtitles of the job {job.id} are not there any more.")
    try:
        return render(Document(tuple(read(readable[0])), language=language), format)
    except GptasrError as error:
        raise Refusal(500, f"The subtitles of the job {job.id} cannot be read.") from error
