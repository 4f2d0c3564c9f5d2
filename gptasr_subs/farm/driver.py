"""Who gets which film, and what becomes of it where a worker is lost.

A worker that waits gets the next film, so a slow one holds nobody up. A lost worker's film goes
back to the front of the queue; an error of the film itself is its outcome.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from gptasr_subs import __version__
from gptasr_subs.errors import FarmError, SharedNameError
from gptasr_subs.farm.addresses import is_remote, target_addresses
from gptasr_subs.farm.cluster import Answered, Cluster, Lost
from gptasr_subs.farm.films import Answer, Film, Halted, Node, Unfit
from gptasr_subs.jobs.hooks import Event, Hooks, reason_of
from gptasr_subs.jobs.queue import LEASE, Job, Queue, State
from gptasr_subs.jobs.rules import Limits
from gptasr_subs.jobs.worker import GONE, Report, is_gone, options_of
from gptasr_subs.pipeline.options import Options
from gptasr_subs.pipeline.plan import output_paths, refuse_shared

TRIES = 3
_TICK = 0.5  # seconds between two looks at the queue and whether to stop
_LOOK = 2.0  # seconds between two looks at the nodes
_GRACE = 60.0  # seconds that films may take to stop

_log = logging.getLogger(__name__)


class Farm:
    """Works off a queue with the workers of a cluster, as ``jobs.worker.Worker`` does alone."""

    def __init__(
        self,
        queue: Queue,
        cluster: Cluster,
        *,
        options: Options = Options(),
        limits: Limits | None = None,
        folder: str = "",
        hooks: Hooks | None = None,
        report: Report = lambda job, event: None,
        tries: int = TRIES,
        workers: int = 0,
        newest_first: bool = False,
        retry: bool = True,
    ) -> None:
        """``tries``: how often a film is begun whose workers are lost. ``workers``: how many to
        ask for (0: as many as there is room for). ``retry``: films that failed are tried again
        later where that may help, as the queue does it.

        ``folder``: an address that results go to. The others are as for ``Worker`` and ``Film``.
        """
        self._queue = queue
        self._cluster = cluster
        self._options = _for_workers(options)
        self._limits = limits
        self._folder = folder
        self._hooks = hooks or Hooks()
        self._report = report
        self._tries = tries
        self._most = workers
        self._newest_first = newest_first
        self._retry = retry
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._starting: set[int] = set()
        self._nodes: dict[int, Node] = {}  # those of the workers that have started
        self._idle: deque[int] = deque()
        self._at_work: dict[int, Job] = {}
        self._held: list[Job] = []  # until another that writes the same file is over
        self._writers: dict[int, int] = {}  # the job that writes a file, by the hash of its name
        self._room: dict[str, int] = {}  # for workers, by node
        self._unfit = 0  # workers that could do nothing, ...
        self._reason = ""  # ... and why
        self._next_look = self._next_beat = self._stopped_at = 0.0
        self._notifying = ThreadPoolExecutor(max_workers=4)

    def stop(self) -> None:
        """Stop all films after their windows; may be called from a signal handler."""
        self._stopped_at = self._stopped_at or time.monotonic()

    def run(self, until: Callable[[], bool] = lambda: True, longest_wait: float = _TICK) -> None:
        """Work until nothing is due and ``until`` says so, or ``stop``.

        Raises FarmError where no worker is fit to do anything.
        """
        try:
            while True:
                over = until()  # asked first: what was put in before it said so is still taken
                if self._stopped_at:
                    break
                while self._idle and (job := self._next_job()):
                    worker = self._idle.popleft()
                    self._at_work[worker] = job
                    self._cluster.give(worker, self._film_of(job))
                if over and not (self._at_work or self._held or self._queue.due(1)):
                    return
                self._look_around()
                self._receive_all(longest_wait)
            # The films at work are stopped; what does not stop in time is ended.
            if self._at_work:
                _log.warning("Stopping after the windows at work; Ctrl-C again ends them at once.")
            for worker, job in self._at_work.items():
                self._cluster.halt(worker, job.id)
            while self._at_work and time.monotonic() < self._stopped_at + _GRACE:
                self._receive_all(_TICK)
        finally:
            for job in [*self._at_work.values(), *self._held]:
                self._queue.release(job, "its worker was stopped")
            for worker in [*self._starting, *self._nodes]:
                self._cluster.end(worker)
            self._notifying.shutdown()

    def _next_job(self) -> Job | None:
        """The next job that can be done now; those that never can be are over with this."""
        while job := self._pop_held() or self._queue.claim(self.name, self._newest_first):
            try:
                other = self._writer_of(job)
                if other is None:
                    return job
                if other.state is State.RUNNING:
                    self._held.append(job)
                else:
                    self._refuse_shared(job, other)
            except Exception as error:  # options that there are not, a format that is not known
                self._fail(job, reason_of(error))
        return None

    def _film_of(self, job: Job) -> Film:
        place = job.address or str(job.path)
        options = _for_workers(options_of(job, self._options)) if job.options else self._options
        return Film(job.id, place, options, self._limits, self._folder)

    def _writer_of(self, job: Job) -> Job | None:
        """Another job that writes, or has written, a file of this one; else this one is noted."""
        film = self._film_of(job)
        targets = target_addresses(film).values() if is_remote(film) else ()
        names = list(map(hash, targets or map(str, output_paths(job.path, film.options))))
        for name in names:
            if (number := self._writers.get(name, job.id)) != job.id:
                other = self._queue.get(number)
                if other.state in (State.RUNNING, State.DONE, State.SKIPPED):
                    return other
        self._writers.update(dict.fromkeys(names, job.id))
        return None

    def _pop_held(self) -> Job | None:
        """A job whose file is no longer being written."""
        for job in self._held:
            other = self._writer_of(job)
            if other is None or other.state is not State.RUNNING:
                self._held.remove(job)
                return job
        return None

    def _refuse_shared(self, job: Job, other: Job) -> None:
        """Media files of one name would overwrite each other's subtitles."""
        options = options_of(job, self._options)
        try:
            refuse_shared(job.path, [other.path], options)
        except SharedNameError as error:
            if options.output_dir or options.overwrite:
                raise
            self._finish(job, Event(job.path, "skipped", reason=str(error)))

    def _look_around(self) -> None:
        """Now and then: renew leases, see which nodes there are, start workers."""
        now = time.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + LEASE / 6
            for job in self._held:
                self._queue.heartbeat(job)
            for worker, job in self._at_work.items():
                if not self._queue.heartbeat(job):  # cancelled, or given to another
                    self._cluster.halt(worker, job.id)
        if now >= self._next_look:
            self._next_look = now + _LOOK
            room = self._cluster.nodes()
            if room.keys() != self._room.keys():
                self._unfit = 0  # whatever was wrong may have been with a node that is gone
            if not any(room.values()) and (self._room or not room):
                _log.warning("No node has room for a worker; waiting for one that has.")
            self._room = room
            for node in {self._nodes[worker].id for worker in self._idle} - room.keys():
                self._end_idle(node)
            self._start_workers()

    def _start_workers(self) -> None:
        """Ask for as many workers as there is room, and films, for."""
        room = self._most or sum(self._room.values())
        due = self._queue.due(room)
        there = len(self._starting) + len(self._nodes)
        wanted = min(room - self._unfit, len(self._at_work) + len(self._held) + due)
        if self._unfit and due and not there and wanted <= 0:
            raise FarmError(f"No worker can do anything: {self._reason}")
        for _ in range(wanted - there):
            self._starting.add(self._cluster.start())

    def _receive_all(self, seconds: float) -> None:
        for message in self._cluster.wait(min(seconds, _TICK)):
            worker = message.worker
            if isinstance(message, Answered):
                self._take(worker, self._at_work.pop(worker), message.answer)
            elif isinstance(message, Lost):
                self._lose(message)
            else:
                node = message.node
                self._starting.discard(worker)
                self._nodes[worker] = node
                if node.version == __version__:
                    self._idle.append(worker)
                else:
                    self._dismiss(
                        worker,
                        f"{node.name} has version {node.version} of gptasr-subs and this machine "
                        f"{__version__}; install the same on every machine.",
                    )

    def _take(self, worker: int, job: Job, answer: Answer) -> None:
        """Note what a worker says of its film, and let it wait for the next one."""
        if isinstance(answer, Unfit):
            self._queue.release(job, answer.reason)
            self._dismiss(worker, f"{self._node_of(worker)}: {answer.reason}")
            return
        self._idle.append(worker)
        if isinstance(answer, Halted):
            self._queue.release(job, "its worker was stopped")
            return
        for remark in answer.remarks:
            _log.warning("%s", remark)
        event = replace(answer.event, node=self._node_of(worker))
        if event.state != "failed":
            self._finish(job, event)
        elif is_gone(job):
            self._queue.cancel(job.id, GONE)
            self._tell(job, replace(event, state="skipped", reason=GONE))
        else:
            self._queue.fail(job, event.reason, retry=self._retry and not answer.is_final)
            self._tell(job, event)

    def _lose(self, lost: Lost) -> None:
        """A worker is gone; its film goes back to the front, unless it was often enough."""
        if lost.worker in self._starting:
            self._starting.discard(lost.worker)
            self._unfit += 1
            self._reason = f"it ended while it started ({lost.reason})."
            return
        job = self._at_work.pop(lost.worker)
        node = self._node_of(lost.worker)
        # Those that wait there may be gone, too, and must not cost the film its other tries
        self._end_idle(self._nodes.pop(lost.worker).id)
        if job.attempts >= self._tries:
            times = "once" if job.attempts == 1 else f"{job.attempts} times"
            self._fail(job, f"its worker was lost {times} ({lost.reason})", node)
        else:
            self._queue.release(job, f"its worker was lost ({lost.reason})", counts=True)

    def _dismiss(self, worker: int, reason: str) -> None:
        """Do without a worker that can do nothing."""
        if reason != self._reason:
            _log.warning("A worker is left out, %s", reason)
        self._reason = reason
        self._unfit += 1
        self._cluster.end(worker)
        del self._nodes[worker]

    def _end_idle(self, node: str) -> None:
        """End the workers of a node that wait."""
        for worker in [worker for worker in self._idle if self._nodes[worker].id == node]:
            self._idle.remove(worker)
            self._cluster.end(worker)
            del self._nodes[worker]

    def _fail(self, job: Job, reason: str, node: str = "") -> None:
        self._queue.fail(job, reason, retry=False)
        self._tell(job, Event(job.path, "failed", reason=reason, node=node))

    def _finish(self, job: Job, event: Event) -> None:
        self._queue.finish(job, State(event.state), event.reason)
        self._tell(job, event)

    def _tell(self, job: Job, event: Event) -> None:
        job = self._queue.get(job.id)
        if job.state is not State.WAITING and not self._hooks.is_empty:
            self._notifying.submit(self._hooks.notify, event)  # a slow command holds nobody up
        self._report(job, event)

    def _node_of(self, worker: int) -> str:
        """The name of a worker's node, with its number where another has the same name."""
        node = self._nodes[worker]
        same = {other.id for other in self._nodes.values() if other.name == node.name}
        return f"{node.name}/{node.id[:6]}" if len(same) > 1 else node.name


def _for_workers(options: Options) -> Options:
    """The options as they hold on other machines.

    The journal is for one: SQLite cannot lock a home directory that many share. The working
    directories of workers are others.
    """
    folder = options.output_dir.absolute() if options.output_dir else None
    return replace(options, journal=False, output_dir=folder)
