"""Recognition as the server sees it: one work for all who ask for the same, done in a process that
is started when there is work and ends when there was none for a while.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import pickle
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gptasr_subs.formats.document import Document
from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.pipeline.options import Options, Progress
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.server.answers import Refusal
from gptasr_subs.server.link import WorkerDied, WorkerLink
from gptasr_subs.server.messages import (
    Cancel,
    CancelJob,
    Failed,
    Finished,
    FromWorker,
    JobMoved,
    JobOver,
    JobText,
    Listen,
    Loaded,
    Moved,
    QueueDone,
    Recall,
    Task,
    WorkQueue,
)
from gptasr_subs.server.uploads import Upload
from gptasr_subs.storage.files import file_stamp

REMEMBERED = 16  # finished works whose results are kept for equal requests
REMEMBERED_TEXTS = 4  # jobs

_ATTEMPTS = 3  # of one work, where the process dies
_URGENT_AT_ONCE = 4
_FILES_AT_ONCE = 1  # side by side, both would end late

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """A file to recognise. Equal digests mean equal audio; ``upload`` is deleted in the end."""

    path: Path
    digest: str
    upload: Upload | None = None

    @classmethod
    def of_upload(cls, upload: Upload) -> Source:
        """A file that a client sent."""
        return cls(upload.path, upload.digest, upload)

    @classmethod
    def of_file(cls, path: Path) -> Source:
        """A file of this computer, which stays."""
        return cls(path, f"{path}\n{file_stamp(path)}")


@dataclass(frozen=True, slots=True)
class RecognitionTask:
    """What is to be done with a source.

    ``keep``: it is finished even when all who waited have left. ``listen`` and ``recall`` ask for
    less, see ``messages.Listen`` and ``messages.Recall``. The rest as for ``messages.Task``.
    """

    source: Source
    options: Options = Options()
    urgent: bool = False
    follow: bool = False
    keep: bool = False
    listen: bool = False
    recall: bool = False
    glossary: Glossary | None = None


class Work:
    """One recognition, for as many as ask for it."""

    def __init__(self, number: int, task: RecognitionTask) -> None:
        """Made by ``Recognition.join``."""
        self.number = number
        self.task = task
        self.keep = task.keep
        self.progress = Progress(0.0, 0.0)
        self.document: Document | None = None  # what is known so far, where that is followed
        self.changed = asyncio.Event()
        self.waiting = 0
        self.done: asyncio.Task[Finished]
        self.answer: asyncio.Future[Finished | Failed] | None = None
        self.link: WorkerLink | None = None  # to the process that is to give it

    def move(self, message: Moved) -> None:
        """Note the progress and wake up who waits for news."""
        self.progress = message.progress
        self.document = message.document or self.document
        self.tell()

    def tell(self) -> None:
        """Wake up all who wait for ``changed``."""
        self.changed.set()
        self.changed = asyncio.Event()

    async def result(self) -> Finished:
        """What came of it. Raises Refusal."""
        return await asyncio.shield(self.done)

    async def wait(self, seconds: float) -> bool:
        """Wait for its end, at most so long; whether it has come."""
        await asyncio.wait({self.done}, timeout=seconds)
        return self.done.done()

    async def wait_for_news(self, seconds: float) -> None:
        """Wait for anything new, at most so long."""
        news = asyncio.ensure_future(self.changed.wait())
        await asyncio.wait({self.done, news}, timeout=seconds, return_when="FIRST_COMPLETED")
        news.cancel()


@dataclass(slots=True)
class Totals:
    """What was recognised since the server was started; times are seconds."""

    finished: int = 0
    failed: int = 0
    audio: float = 0.0
    elapsed: float = 0.0

    def add(self, audio: float, elapsed: float) -> None:
        """One more is finished."""
        self.finished += 1
        self.audio += audio
        self.elapsed += elapsed


class Recognition:
    """The works of the server and the process that does them."""

    def __init__(self, load: Callable[[], Recognizer], idle_seconds: float) -> None:
        """``load`` makes the recogniser in the process, which gets it by pickle."""
        self.job_progress: dict[int, tuple[Progress, float]] = {}  # and when it was begun
        self.job_texts: dict[int, Document] = {}  # of the last jobs, as far as they are known
        self.totals = Totals()
        self.on_job_over: Callable[[JobOver], None] = lambda message: None
        self._load = load
        self._idle_seconds = idle_seconds
        self._link: WorkerLink | None = None
        self._is_loaded = False
        self._starting = asyncio.Lock()
        self._works: dict[tuple[object, ...], Work] = {}
        self._by_number: dict[int, Work] = {}
        self._finished: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._urgent_lane = asyncio.Semaphore(_URGENT_AT_ONCE)
        self._file_lane = asyncio.Semaphore(_FILES_AT_ONCE)
        self._count = 0
        self._works_queue = False
        self._stopping = False
        self._idle_timer: asyncio.TimerHandle | None = None

    @property
    def state(self) -> str:
        """What the model does: ``unloaded``, ``loading`` or ``ready``."""
        if self._link is None:
            return "unloaded"
        return "ready" if self._is_loaded else "loading"

    @property
    def process_id(self) -> int | None:
        """The number of the process, while there is one."""
        return self._link.process.pid if self._link else None

    @property
    def waiting(self) -> int:
        """How many works are not done."""
        return len(self._works)

    @asynccontextmanager
    async def join(self, task: RecognitionTask) -> AsyncIterator[Work]:
        """The work that is asked for, begun if nobody has asked for it yet.

        A work that all have left is cancelled, unless one of them said ``keep``. The upload is
        deleted once it is not needed.
        """
        key = (task.source.digest, task.options, task.listen, task.recall, task.glossary)
        work = self._works.get(key)
        if work is None:
            self._count += 1
            work = Work(self._count, task)
            work.done = asyncio.ensure_future(self._run(key, work))
            # asyncio logs an exception that is not looked at, and all who asked may have left
            work.done.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._works[key] = work
            self._by_number[work.number] = work
        if work.task.source is not task.source and task.source.upload:
            task.source.upload.delete()
        work.keep = work.keep or task.keep
        work.waiting += 1
        try:
            yield work
        finally:
            work.waiting -= 1
            if not (work.waiting or work.keep or work.done.done()):
                work.done.cancel()
                self._forget(key, work)

    def work_queue(self) -> None:
        """Have what is due in the queue worked off, unless it is being done."""
        if not (self._works_queue or self._stopping):
            self._works_queue = True

            async def start() -> None:
                (await self._process()).send(WorkQueue())

            self._task = asyncio.ensure_future(start())

    def cancel_job(self, number: int) -> None:
        """Stop a job that was cancelled in the queue, if it is being done here."""
        if self._link:
            self._link.send(CancelJob(number))

    async def stop(self) -> None:
        """End the process after the windows at work; all works fail with a sentence."""
        self._stopping = True
        await self._end_process()
        for work in list(self._works.values()):
            await asyncio.wait({work.done})

    async def _run(self, key: tuple[object, ...], work: Work) -> Finished:
        try:
            if key in self._finished:
                self._finished.move_to_end(key)
                known: Finished = pickle.loads(self._finished[key])
                return known
            if self._stopping:  # in the lane it would wait for the windows at work
                raise _stopped()
            async with self._urgent_lane if work.task.urgent else self._file_lane:
                finished = await self._ask_process(work)
            if not work.task.recall:  # the journal may hold more the next time
                self._finished[key] = pickle.dumps(finished)
            if len(self._finished) > REMEMBERED:
                self._finished.popitem(last=False)
            return finished
        finally:
            self._forget(key, work)
            if work.task.source.upload:
                work.task.source.upload.delete()
            self._rest()

    def _forget(self, key: tuple[object, ...], work: Work) -> None:
        if self._works.get(key) is work:
            del self._works[key]
        self._by_number.pop(work.number, None)

    async def _ask_process(self, work: Work) -> Finished:
        for _ in range(_ATTEMPTS):
            if self._stopping:
                break
            link = work.link = await self._process()
            work.answer = asyncio.get_running_loop().create_future()
            begun = time.monotonic()
            try:
                link.send(_task(work))
                answer = await work.answer
            except WorkerDied:
                continue  # what it recognised is in the journal
            except asyncio.CancelledError:
                link.send(Cancel(work.number))
                raise
            if isinstance(answer, Failed):
                self.totals.failed += 1
                # Clients must not learn the paths of the server.
                source = work.task.source
                instead = "the upload" if source.upload else "it"
                reason = answer.reason.replace(repr(str(source.path)), instead)
                status = 422 if answer.is_input else 503 if answer.is_stopped else 500
                raise Refusal(status, reason[:1].upper() + reason[1:])
            if answer.document:
                self.totals.add(answer.document.seconds or 0.0, time.monotonic() - begun)
            return answer
        if self._stopping:
            raise _stopped()
        raise Refusal(500, "The recognition ended without a word, several times; is memory short?")

    async def _process(self) -> WorkerLink:
        """The process, started if there is none."""
        if self._idle_timer:
            self._idle_timer.cancel()
        async with self._starting:
            if self._link is None:
                self._is_loaded = False
                self._link = await WorkerLink.start(self._load, self._receive, self._on_death)
            return self._link

    def _receive(self, message: FromWorker) -> None:
        if isinstance(message, Loaded):
            self._is_loaded = True
        elif isinstance(message, JobMoved):
            begun = self.job_progress.get(message.number, (None, time.monotonic()))[1]
            self.job_progress[message.number] = message.progress, begun
        elif isinstance(message, JobText):
            self.job_texts[message.number] = message.document
            if len(self.job_texts) > REMEMBERED_TEXTS:
                del self.job_texts[next(iter(self.job_texts))]
        elif isinstance(message, JobOver):
            self.job_progress.pop(message.number, None)
            if message.elapsed:  # none of a job that failed or was skipped
                self.totals.add(message.seconds, message.elapsed)
            self.on_job_over(message)
        elif isinstance(message, QueueDone):
            self._works_queue = False
            self._rest()
        elif work := self._by_number.get(message.number):
            if isinstance(message, Moved):
                work.move(message)
            elif work.answer and not work.answer.done():
                work.answer.set_result(message)

    def _on_death(self, link: WorkerLink) -> None:
        """Called when a process has ended, on request or not."""
        if link is self._link:
            self._link = None
        if not link.is_stopping:
            _log.warning("The recognition process ended; it is started again where it is needed.")
        self._works_queue = False
        self.job_progress.clear()
        for work in self._by_number.values():
            if work.link is link and work.answer and not work.answer.done():
                work.answer.set_exception(WorkerDied())

    def _rest(self) -> None:
        """End the process after a while, if nothing is to be done."""
        if self._idle_timer:
            self._idle_timer.cancel()
        if self._works or self._works_queue or self._stopping or not self._link:
            return

        def end_if_idle() -> None:
            if not (self._works or self._works_queue):
                self._task = asyncio.ensure_future(self._end_process())

        loop = asyncio.get_running_loop()
        self._idle_timer = loop.call_later(self._idle_seconds, end_if_idle)

    async def _end_process(self) -> None:
        if self._idle_timer:
            self._idle_timer.cancel()
        async with self._starting:
            if self._link:
                await self._link.stop()
            self._link = None
        # Many uploads at once took memory, which the C library may give back to the system.
        with suppress(AttributeError, OSError, TypeError):
            ctypes.CDLL(None).malloc_trim(0)


def _task(work: Work) -> Task:
    task = work.task
    kind = Listen if task.listen else Recall if task.recall else Task
    return kind(
        work.number,
        task.source.path,
        task.options,
        urgent=task.urgent,
        follow=task.follow,
        glossary=task.glossary,
    )


def _stopped() -> Refusal:
    return Refusal(503, "The server is being stopped; send it again when it is back.")
