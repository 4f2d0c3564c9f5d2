"""The films of jobs as the page edits them: where their first version comes from, and the subtitle
files that follow the newest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from starlette.requests import Request

from gptasr_subs.cues.norms import NETFLIX, Norms
from gptasr_subs.errors import GptasrError, QueueError
from gptasr_subs.formats import Document, get_format, is_readable, read, render
from gptasr_subs.jobs.queue import Job, State
from gptasr_subs.media.sidecars import existing_subtitles, sidecar_path
from gptasr_subs.pipeline.options import Options
from gptasr_subs.server.answers import Refusal
from gptasr_subs.server.page.cues import NamedCue, number_cues
from gptasr_subs.server.page.versions import Edits, Film, open_edits
from gptasr_subs.server.paths import may_be_sent
from gptasr_subs.server.queueing import ask_database, ask_queue, find_job
from gptasr_subs.server.recognition import RecognitionTask, Source
from gptasr_subs.server.services import Services, services_of
from gptasr_subs.storage.files import keep_copy, write_atomically
from gptasr_subs.types import Cue

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_beginning: set[asyncio.Task[None]] = set()
_open: dict[int, Film] = {}  # the last that were asked for, by the numbers of their jobs
_MOST_OPEN = 4


async def ask_edits(question: Callable[[Edits], _T]) -> _T:
    """Return an answer of the database of edits."""
    return await ask_database(open_edits, question)


def begin_film(number: int, document: Document) -> None:
    """Keep what was recognised for a job as its first version; returns at once.

    If the page has edited an earlier recognition, that goes on, also in the files that the job has
    just written.
    """
    film = _film_of(document)
    cues = number_cues(document.cues)

    async def renew() -> None:
        edited = await ask_edits(lambda edits: edits.renew(number, film, cues))
        _open.pop(number, None)
        if edited:
            job = await ask_queue(lambda queue: queue.get(number))
            remark = await asyncio.to_thread(rewrite_files, job, film, edited.cues, is_first=False)
            if remark:
                _log.warning(remark)

    task = asyncio.ensure_future(renew())
    _beginning.add(task)
    task.add_done_callback(_beginning.discard)


async def open_film(job: Job, services: Services) -> Film:
    """What is known of the film of a job, with a first version of its cues.

    Where this server has not recognised it itself, the cues are those of its subtitle file and the
    words come from the journal. Raises Refusal while there are none.
    """
    if job.id in _open:
        return _open[job.id]
    film = await ask_edits(lambda edits: edits.film(job.id))
    if film:
        return _remember(job.id, film)
    if job.state not in (State.DONE, State.SKIPPED):
        raise Refusal(409, f"The job {job.id} is {job.state.value} and has no subtitles yet.")
    cues = await asyncio.to_thread(_cues_on_disk, job)
    document = await _recalled(job, services) or Document((), source=job.path.name)
    seconds = document.seconds or max((cue.end for cue in cues), default=0.0)
    known = _film_of(replace(document, seconds=seconds, language=language_of(job)))
    named = number_cues(cues)
    await ask_edits(lambda edits: edits.begin(job.id, known, named))
    return _remember(job.id, known)


def _remember(job: int, film: Film) -> Film:
    """Keep a film, which never changes, for the next request: of three hours it has megabytes."""
    _open[job] = film
    if len(_open) > _MOST_OPEN:
        del _open[next(iter(_open))]
    return film


async def find_film(request: Request) -> Job:
    """The job of an address, whose film is there and may be sent. Raises Refusal."""
    job = await find_job(request)
    await asyncio.to_thread(refuse_missing, job, services_of(request))
    return job


def refuse_missing(job: Job, services: Services) -> None:
    """Raise Refusal where the film of a job is gone, or not for clients."""
    is_upload = services.films.holds(job.path) or services.job_uploads.holds(job.path)
    if not (is_upload or may_be_sent(job.path, services.settings)):
        raise Refusal(403, "This film lies outside of the folders that --root allows.")
    if not job.path.is_file():
        raise Refusal(404, f"The film of the job {job.id} is not there any more.")


async def forget_film(job: Job, services: Services) -> None:
    """Remove what was uploaded and made for a job, but not the files of its user."""
    _open.pop(job.id, None)
    await services.proxies.forget(job.path)
    await ask_edits(lambda edits: edits.forget(job.id))
    await asyncio.to_thread(services.films.delete, job.path)


def subtitles_of(job: Job, format: str) -> str:
    """The subtitles of a job in a format: of its newest version, else those of its files.

    Raises Refusal where there are none.
    """
    with open_edits() as edits:
        film = edits.film(job.id)
        newest = edits.version(job.id, edits.newest(job.id))
    if film and newest:
        return render_film(film, newest.cues, format)
    if job.state not in (State.DONE, State.SKIPPED):
        raise Refusal(409, f"The job {job.id} is {job.state.value} and has no subtitles yet.")
    there = _subtitle_files(job)
    for path in there:
        if path.suffix == f".{get_format(format).extension}":
            return path.read_text(encoding="utf-8", errors="replace")
    return render(Document(tuple(_cues_on_disk(job)), language=language_of(job)), format)


def render_film(film: Film, cues: Sequence[NamedCue], format: str) -> str:
    """The text of a subtitle file; cues without text are left out."""
    document = Document(
        tuple(named.cue for named in cues if named.cue.text.strip()),
        words=film.words,
        source=film.title,
        seconds=film.seconds,
        language=film.language,
    )
    return render(document, format)


def rewrite_files(job: Job, film: Film, cues: Sequence[NamedCue], *, is_first: bool) -> str:
    """Write the subtitle files of a job anew; returns a sentence where that fails.

    Files that the job found and did not write are copied before their first change.
    """
    from gptasr_subs.jobs.worker import options_of
    from gptasr_subs.pipeline.plan import target_paths

    try:
        targets = target_paths(job.path, options_of(job, Options()))
        for format, path in targets.items():
            if is_first and job.state is State.SKIPPED and path.exists():
                _log.warning("%r is kept as %r.", str(path), str(keep_copy(path)))
            write_atomically(path, render_film(film, cues, format))
    except GptasrError as error:
        return str(error)
    return ""


def norms_of(film: Film) -> Norms:
    """The norms that a film is judged by."""
    return replace(NETFLIX, fps=film.fps) if film.fps else NETFLIX


def language_of(job: Job) -> str:
    """The language that a job asks for."""
    return str(job.options.get("language", "en"))


def _film_of(document: Document) -> Film:
    return Film(
        document.source,
        document.language,
        seconds=document.seconds or 0.0,
        fps=document.fps,
        words=document.words,
    )


async def _recalled(job: Job, services: Services) -> Document | None:
    """What the journal holds of a film; None where that is not all, or the film is gone."""
    from gptasr_subs.jobs.worker import options_of

    if not await asyncio.to_thread(job.path.is_file):
        return None
    try:
        options = options_of(job, Options(language=language_of(job)))
        task = RecognitionTask(Source.of_file(job.path), options, urgent=True, recall=True)
        async with services.recognition.join(task) as work:
            return (await work.result()).document
    except (Refusal, QueueError) as error:
        _log.warning("The words of %r are not known: %s", job.path.name, error)
        return None


def _subtitle_files(job: Job) -> list[Path]:
    """The files that a job found or wrote."""
    language = language_of(job)
    folder = Path(job.options["output_dir"]) if job.options.get("output_dir") else None
    there = existing_subtitles(job.path, language, directory=folder)
    for name in job.options.get("formats", []):  # players know nothing of JSON and plain text
        made = sidecar_path(job.path, language, get_format(name).extension, directory=folder)
        if made.is_file() and made not in there:
            there.append(made)
    return there


def _cues_on_disk(job: Job) -> list[Cue]:
    readable = [path for path in _subtitle_files(job) if is_readable(path)]
    if not readable:
        raise Refusal(404, f"The subtitles of the job {job.id} are not there any more.")
    try:
        return read(readable[0])
    except GptasrError as error:
        raise Refusal(500, f"The subtitles of the job {job.id} cannot be read.") from error
