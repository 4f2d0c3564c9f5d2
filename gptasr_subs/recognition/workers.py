"""Work done by forked worker processes, each on one thread: on Linux only.

Python's threads hinder each other wherever little is calculated between two lines of it, as in the
steps of a search. Processes do not; forked ones share the memory of the model, and what they are to
do need not be sent to them.

A forked process has only one of the threads, but all locks as they are. So a program must say that
its threads are known (``allow_fork``), and those of them that calculate do so inside ``no_fork``,
where no fork happens.
"""

from __future__ import annotations

import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_at_work = threading.Lock()  # one thread has worker processes at a time
# Who holds the turn is next to fork or to calculate; a fork waits until no thread calculates.
_turn = threading.Lock()
_still = threading.Lock()
_allowed = False
_ENDING = (signal.SIGINT, signal.SIGTERM)


def allow_fork() -> None:
    """From now on this process may fork: it is a program of ours, whose threads are known."""
    global _allowed
    _allowed = sys.platform == "linux"


def can_fork() -> bool:
    """Return whether this process may fork now."""
    return _allowed and not _at_work.locked()


@contextmanager
def no_fork() -> Iterator[None]:
    """Let a thread that is not the main one calculate in here; no fork happens meanwhile."""
    if not _allowed:
        yield
        return
    with _turn:
        _still.acquire()
    try:
        yield
    finally:
        _still.release()


def run_in_processes(
    work: Callable[[_Item], _Result], items: Sequence[_Item], workers: int
) -> Iterator[_Result]:
    """``work`` on every item by ``workers`` forked processes.

    Results in order, errors raised in their place. What a process that died has not done is done
    here, and so is the share of one that could not be started for want of memory. Closing this
    early ends them.
    """
    processes: list[tuple[BaseProcess, Connection]] = []
    with _at_work:
        try:
            with _turn, _still, _signals_held(), suppress(OSError):
                for first in range(workers):
                    processes.append(_fork(work, items[first::workers]))
            for number, item in enumerate(items):
                worker = number % workers
                if worker < len(processes):
                    yield _receive(processes[worker][1], work, item)
                else:
                    yield work(item)
        finally:
            for process, _ in processes:
                process.kill()  # there is nothing that it could leave behind
                process.join()


@contextmanager
def _signals_held() -> Iterator[None]:
    """Hold back signals that end the program: Python ignores what they raise amid a fork.

    Python receives signals in the main thread, so in others there is nothing to do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in _ENDING
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for ending in set(received):
            signal.raise_signal(ending)


def _fork(work: Callable[[_Item], Any], items: Sequence[_Item]) -> tuple[BaseProcess, Connection]:
    """Return a process that works on ``items``, and where its answers come from."""
    import multiprocessing

    context = multiprocessing.get_context("fork")
    answers, end = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(work, items, end), daemon=True)
    with warnings.catch_warnings():
        # Python's threads here wait, decode or cut audio
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    end.close()
    return process, answers


def _serve(work: Callable[[_Item], Any], items: Sequence[_Item], answers: Connection) -> None:
    """Run in a worker process, which leaves signals of the keyboard to its parent."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)  # the other threads of a pool are not forked
    with suppress(BrokenPipeError):  # no process waits for answers any more
        for item in items:
            try:
                answer = pickle.dumps((work(item), None))
            except Exception as error:
                try:
                    answer = pickle.dumps((None, error))
                except Exception:  # an error that cannot be sent
                    answer = pickle.dumps((None, RuntimeError(str(error))))
            answers.send_bytes(answer)


def _receive(answers: Connection, work: Callable[[_Item], _Result], item: _Item) -> _Result:
    try:
        result, error = pickle.loads(answers.recv_bytes())
    except EOFError:  # the process died, perhaps for want of memory: alone there is more of it
        return work(item)
    if error:
        raise error
    found: _Result = result
    return found
