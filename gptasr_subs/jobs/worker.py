"""A worker: takes jobs from the queue, subtitles their videos, and says how it went."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from gptasr_subs.cues.norms import Norms
from gptasr_subs.errors import MediaError, QueueError, SharedNameError
from gptasr_subs.formats.document import Document
from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.jobs.hooks import Event, Hooks, event_of, reason_of
from gptasr_subs.jobs.queue import LEASE, Job, Queue, State
from gptasr_subs.jobs.rules import Candidate, Limits, decide
from gptasr_subs.pipeline.options import Options, Progress
from gptasr_subs.pipeline.plan import refuse_shared
from gptasr_subs.pipeline.subtitle import subtitle
from gptasr_subs.recognition.loading import raw_identity, with_glossary
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.storage.files import file_stamp
from gptasr_subs.types import FloatArray, Word

Report = Callable[[Job, Event], None]
JobProgress = Callable[[Job, Progress], None]
JobDocument = Callable[[Job, Document], None]

GONE = "the file is gone"
_PATHS = ("output", "output_dir")


class Stopped(BaseException):
    """Work is to stop after the window that is being recognised.

    No ``Exception``, so that nothing on the way catches it.
    """


class Worker:
    """Works jobs off one after the other, until there are none or ``stop`` is called."""

    def __init__(
        self,
        queue: Queue,
        model: Recognizer,
        *,
        options: Options | None = None,
        limits: Limits | None = None,
        hooks: Hooks | None = None,
        report: Report = lambda job, event: None,
        on_progress: JobProgress = lambda job, progress: None,
        on_document: JobDocument | None = None,
        newest_first: bool = False,
    ) -> None:
        """``options`` hold for what a job does not say itself.

        ``report`` is called with each job that is over, ``on_progress`` with how far the one at
        work is, ``on_document`` with what is known of it so far and in the end.
        """
        self._queue = queue
        self._model = model
        self._report = report
        self._on_progress = on_progress
        self._on_document = on_document
        self._newest_first = newest_first
        self._options = options or Options()
        self._limits = limits or Limits()
        self._hooks = hooks or Hooks()
        self._stop = threading.Event()
        self._at_work: tuple[int, threading.Event] | None = None
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"

    def stop(self) -> None:
        """Stop after the current window; may be called from a signal handler or another thread."""
        self._stop.set()

    def cancel(self, number: int) -> None:
        """Stop a job that was cancelled in the queue after the current window.

        Its next heartbeat would do so too, but only after a while. May be called from another
        thread.
        """
        at_work = self._at_work
        if at_work and at_work[0] == number:
            at_work[1].set()

    def run(self, until: Callable[[], bool] = lambda: True, longest_wait: float = 5.0) -> None:
        """Work until nothing is due and ``until`` says so, or ``stop``.

        Looks for jobs every ``longest_wait`` s.
        """
        while not self._stop.is_set():
            over = until()  # asked first: what was put in before it said so is still taken
            job = self._queue.claim(self.name, self._newest_first)
            if job:
                self._do(job)
            elif over:
                return
            else:
                self._stop.wait(longest_wait)

    def _do(self, job: Job) -> None:
        gone = threading.Event()
        self._at_work = job.id, gone
        with _heartbeats(self._queue.path, job, gone):
            stamp = file_stamp(job.path)
            try:
                event = self._subtitle(job, lambda: self._stop.is_set() or gone.is_set())
            except Stopped:
                if not gone.is_set():
                    self._queue.release(job, "its worker was stopped")
                return
            except Exception as error:  # a bug met in one video is no reason to leave out the next
                if is_gone(job):
                    self._queue.cancel(job.id, GONE)
                    event = Event(job.path, "skipped", reason=GONE)
                else:
                    reason = reason_of(error)
                    self._queue.fail(job, reason, retry=not is_final(error, job.path, stamp))
                    event = Event(job.path, "failed", reason=reason)
        if event.state in ("done", "skipped"):
            self._queue.finish(job, State(event.state), event.reason)
        job = self._queue.get(job.id)
        if job.state is not State.WAITING:  # else another attempt comes: nothing is final
            self._hooks.notify(event)
        self._report(job, event)

    def _subtitle(self, job: Job, stopped: Callable[[], bool]) -> Event:
        options = options_of(job, self._options)
        if options.output_dir or options.overwrite:
            # The subtitles of this name may be those of another file that was done.
            done = self._queue.jobs(State.DONE, State.RUNNING)
            refuse_shared(job.path, (other.path for other in done if other.path.exists()), options)
        if objection := objection_to(job.path, options, self._limits):
            return objection

        def check(progress: Progress) -> None:
            self._on_progress(job, progress)
            if stopped():
                raise Stopped

        model = StoppableRecognizer(self._model, stopped)
        show = self._on_document
        result = subtitle(
            job.path,
            model,
            options=options,
            on_progress=check,
            on_document=partial(show, job) if show else None,
        )
        return event_of(result, options)


def is_gone(job: Job) -> bool:
    """Whether the file of a job is not there, though its folder is."""
    return not job.address and not job.path.exists() and job.path.parent.is_dir()


def objection_to(media: Path, options: Options, limits: Limits) -> Event | None:
    """Say that a video is skipped where a rule objects."""
    verdict = decide(Candidate(media, options, limits))
    if verdict.passed:
        return None
    reason = f"{verdict.rule}: {verdict.reason}"
    return Event(media, "skipped", reason=reason, language=options.language)


def is_final(error: Exception, media: Path, stamp: object) -> bool:
    """Whether another attempt would end in the same error; ``stamp`` is that of the file before.

    What ffmpeg cannot read it cannot read tomorrow; a file that changes or a share that is away may
    be well then.
    """
    is_unchanged = stamp is not None and file_stamp(media) == stamp
    return isinstance(error, MediaError | SharedNameError) and is_unchanged


def options_of(job: Job, usual: Options) -> Options:
    """Return what a job asks for, and ``usual`` for the rest.

    Raises QueueError for unknown options.
    """
    asked: dict[str, Any] = dict(job.options)
    unknown = asked.keys() - {field.name for field in fields(Options)}
    if unknown:
        raise QueueError(
            f"The job {job.id} asks for what there is not: {', '.join(sorted(unknown))}."
        )
    for name in _PATHS:
        if asked.get(name):
            asked[name] = Path(asked[name])
    for name in ("formats", "names"):
        if name in asked:
            asked[name] = tuple(asked[name])
    if "glossary" in asked:
        asked["glossary"] = tuple(map(Path, asked["glossary"]))
    if isinstance(asked.get("norms"), Mapping):
        norms = dict(asked["norms"])
        if "min_dark" in norms:  # its name in queues of early versions
            norms["min_gap"] = norms.pop("min_dark")
        asked["norms"] = Norms(**norms)
    return replace(usual, **asked)


class StoppableRecognizer:
    """A recogniser that raises Stopped between two windows.

    Those it has returned are in the cache by then.
    """

    def __init__(self, model: Recognizer, stopped: Callable[[], bool]) -> None:
        """``stopped`` says whether to stop."""
        self._model = model
        self._stopped = stopped

    def __getattr__(self, name: str) -> Any:
        """What else the model says of itself."""
        return raw_identity(self._model) if name == "identity" else getattr(self._model, name)

    def with_glossary(self, glossary: Glossary) -> Recognizer:
        """As the protocol ``GlossaryRecognizer`` says."""
        return StoppableRecognizer(with_glossary(self._model, glossary), self._stopped)

    def transcribe(
        self, clips: Sequence[FloatArray], *, batch_size: int = 0, beams: int = 0
    ) -> Iterator[tuple[int, list[Word]]]:
        """As the protocol says."""
        for answer in self._model.transcribe(clips, batch_size=batch_size, beams=beams):
            yield answer
            if self._stopped():
                raise Stopped


@contextmanager
def _heartbeats(path: Path, job: Job, gone: threading.Event) -> Iterator[None]:
    """Send heartbeats meanwhile; ``gone`` is set when the job was cancelled or given to another."""
    over = threading.Event()

    def send() -> None:
        queue = Queue(path)  # a connection belongs to its thread
        while not over.wait(LEASE / 6):
            if not queue.heartbeat(job):
                gone.set()
        queue.close()

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
