"""The recognition process: it holds the model and all that is large, and gives the memory back by
ending.

Each task has a thread that decodes and cuts its audio; the model goes from one to the next after
every few windows, to urgent tasks first. So a short clip need not wait for the end of a film.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from gptasr_subs.errors import GptasrError, MediaError
from gptasr_subs.formats.document import Document
from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.jobs.hooks import Event, Hooks
from gptasr_subs.jobs.queue import Job, State, open_queue
from gptasr_subs.jobs.worker import StoppableRecognizer, Stopped, Worker
from gptasr_subs.media.decode import decode_blocks
from gptasr_subs.media.probe import choose_track, probe
from gptasr_subs.pipeline.glossary import glossary_of
from gptasr_subs.pipeline.options import Options, Progress
from gptasr_subs.pipeline.recognize import document_of, open_record, recognize_file
from gptasr_subs.recognition.cache import open_journal
from gptasr_subs.recognition.loading import LazyRecognizer, with_glossary, with_readings
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.recognition.windows import recognize_groups, window_limits
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
    Stop,
    Task,
    WorkQueue,
)
from gptasr_subs.speech.segmentation import segment_blocks
from gptasr_subs.types import FloatArray, Word

TURN = 8  # windows that are recognised before another task may have its turn

_log = logging.getLogger(__name__)


def run_worker(connection: Connection, load: Callable[[], Recognizer]) -> None:
    """Do what comes over ``connection`` until it says stop, or closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the keyboard's; the server says when to stop
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)
    WorkerProcess(connection, with_readings(load())).run()


class WorkerProcess:
    """Takes messages and runs tasks, each in its thread."""

    def __init__(self, connection: Connection, model: Recognizer) -> None:
        """``connection`` leads to the server."""
        self._connection = connection
        self._model = model
        self._turns = Turns()
        self._sending = threading.Lock()
        self._stopping = threading.Event()
        self._cancelled: dict[int, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self._queue_worker: Worker | None = None

    def run(self) -> None:
        """Do what the messages say until the server stops or is gone."""
        self._start(self._load)
        try:
            while not isinstance(message := self._connection.recv(), Stop):
                if isinstance(message, Task):
                    self._cancelled[message.number] = threading.Event()
                    self._start(self._run_task, message)
                elif isinstance(message, Cancel):
                    if event := self._cancelled.get(message.number):
                        event.set()
                elif isinstance(message, WorkQueue):
                    self._start(self._work_queue)
                elif isinstance(message, CancelJob) and self._queue_worker:
                    self._queue_worker.cancel(message.number)
        except (EOFError, OSError):
            pass
        self._stopping.set()
        if self._queue_worker:
            self._queue_worker.stop()
        for thread in self._threads:
            thread.join()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=work, args=arguments)
        thread.start()
        self._threads.append(thread)

    def _send(self, message: FromWorker) -> None:
        with self._sending:
            try:
                self._connection.send(message)
            except OSError:  # the server is gone
                self._stopping.set()

    def _load(self) -> None:
        if isinstance(self._model, LazyRecognizer):
            try:
                self._model.load()
            except Exception:  # the error of each task that needs it
                return
        self._send(Loaded())

    def _run_task(self, task: Task) -> None:
        cancelled = self._cancelled[task.number]
        model = SharedRecognizer(
            self._model,
            self._turns,
            urgent=task.urgent,
            stopped=lambda: cancelled.is_set() or self._stopping.is_set(),
        )
        answer: Finished | Failed
        try:
            if isinstance(task, Listen):
                answer = Finished(task.number, confidence=confidence_of(task, model))
            elif isinstance(task, Recall):
                answer = Finished(task.number, recalled(task, model))
            else:
                answer = Finished(task.number, self._recognize(task, model))
        except Stopped:
            answer = Failed(task.number, "The work was stopped; send it again.", is_stopped=True)
        except GptasrError as error:
            answer = Failed(task.number, str(error), is_input=isinstance(error, MediaError))
        except Exception:
            _log.exception("Task on %r failed.", str(task.path))
            sentence = "Something went wrong that should not; the server's log says what."
            answer = Failed(task.number, sentence)
        del self._cancelled[task.number]
        self._send(answer)

    def _recognize(self, task: Task, model: SharedRecognizer) -> Any:
        latest = Progress(0.0, 0.0)

        def move(progress: Progress) -> None:
            nonlocal latest
            latest = progress
            model.check()
            if not task.follow:
                self._send(Moved(task.number, progress))

        def follow(document: Any) -> None:
            self._send(Moved(task.number, latest, document))

        return recognize_file(
            task.path,
            model,
            options=task.options,
            on_progress=move,
            preview=follow if task.follow else None,
            glossary=task.glossary,
        )

    def _work_queue(self) -> None:
        def report(job: Job, event: Event) -> None:
            self._send(
                JobOver(
                    job.id,
                    job.path,
                    job.state is State.WAITING,
                    seconds=event.seconds,
                    elapsed=event.elapsed,
                )
            )

        try:
            with open_queue() as queue:
                self._queue_worker = Worker(
                    queue,
                    SharedRecognizer(self._model, self._turns, stopped=self._stopping.is_set),
                    options=Options(),
                    hooks=Hooks(),
                    report=report,
                    on_progress=lambda job, progress: self._send(JobMoved(job.id, progress)),
                    on_document=lambda job, document: self._send(JobText(job.id, document)),
                )
                self._queue_worker.run()
        except GptasrError as error:
            _log.warning("%s", error)
        finally:
            self._queue_worker = None
            self._send(QueueDone())


class Turns:
    """Who may use the model: one at a time, urgent tasks first."""

    def __init__(self) -> None:
        """The model is free."""
        self._changed = threading.Condition()
        self._taken = False
        self._urgent = 0  # that wait

    @contextmanager
    def turn(self, urgent: bool) -> Iterator[None]:
        """Have the model for oneself while in the block."""
        ahead = 1 if urgent else 0
        with self._changed:
            self._urgent += ahead
            self._changed.wait_for(lambda: not self._taken and (urgent or not self._urgent))
            self._urgent -= ahead
            self._taken = True
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()


class SharedRecognizer(StoppableRecognizer):
    """The model as one task sees it: others have their turns between its windows."""

    def __init__(
        self,
        model: Recognizer,
        turns: Turns,
        *,
        urgent: bool = False,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """``turns`` are those of all who share the model."""
        super().__init__(model, stopped)
        self._turns = turns
        self._urgent = urgent

    def with_glossary(self, glossary: Glossary) -> SharedRecognizer:
        """As the protocol of recognisers that take a glossary says."""
        return SharedRecognizer(
            with_glossary(self._model, glossary),
            self._turns,
            urgent=self._urgent,
            stopped=self._stopped,
        )

    def check(self) -> None:
        """Raise Stopped where the rest is no longer wanted."""
        if self._stopped():
            raise Stopped

    def transcribe(
        self, clips: Sequence[FloatArray], *, batch_size: int = 0, beams: int = 0
    ) -> Iterator[tuple[int, list[Word]]]:
        """As the protocol of recognisers says."""
        for first in range(0, len(clips), TURN):
            part = clips[first : first + TURN]
            with self._turns.turn(self._urgent):
                self.check()
                # Handed on one by one: a process that is killed loses no window that is done.
                for index, words in super().transcribe(part, batch_size=batch_size, beams=beams):
                    yield first + index, words


def confidence_of(task: Task, model: Recognizer) -> float:
    """How sure the recogniser is of the first minute of speech in a file, 0 without any.

    What it recognises for that is in the journal, and need not be recognised again.
    """
    info = probe(task.path)
    track = info.audio[choose_track(info, task.options.audio_track, task.options.language)]
    blocks = decode_blocks(task.path, track=track, sample_rate=model.sample_rate)
    with open_journal(task.options.journal) as journal:
        record = open_record(journal, task.path, info=info, recognizer=model, options=task.options)
        groups = recognize_groups(
            model,
            segment_blocks(blocks, model.sample_rate, window_limits(model)),
            record=record,
        )
        words = [word for _, found in next(groups, []) for word in found.words]
        del groups, blocks  # closes them, and ffmpeg with them
    return sum(word.confidence for word in words) / len(words) if words else 0.0


def recalled(task: Task, model: Recognizer) -> Document | None:
    """What was recognised of a file in another run; None where the journal does not hold all."""
    options = task.options
    info = probe(task.path)
    glossary = glossary_of(task.path, options)
    with open_journal(options.journal) as journal:
        record = open_record(
            journal,
            task.path,
            info=info,
            recognizer=with_glossary(model, glossary),
            options=options,
            glossary=glossary,
            needs_readings=False,  # of a film that another program recognised
        )
        known = record.finished()
    if known is None:
        return None
    info = replace(info, duration=known.seconds or info.duration)
    return document_of(known.words, task.path, info, known.model, options=options)
