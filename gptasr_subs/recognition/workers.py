"""Work done by copies of this process, each on one thread, where the system can copy processes: on
Linux.

Python's threads hinder each other wherever little is calculated between two lines of it, as in the
steps of a search. Copies do not, they share the memory of the model, and what they are to do need
not be sent to them.

A copy has only one of the threads, but all locks as they are. So a program must say that its
threads are known (``allow_fork``), and those of them that calculate do so inside ``no_fork``, where
no copy is made.
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

_at_work = threading.Lock()  # one thread has copies at a time
# who waits for a turn is next; nobody calculates while it is still
_turn = threading.Lock()
_still = threading.Lock()
_allowed = False
_ENDING = (signal.SIGINT, signal.SIGTERM)


def allow_fork() -> None:
    """From now on this process may be copied: it is a program of ours, whose threads are known."""
    global _allowed
    _allowed = sys.platform == "linux"


def can_fork() -> bool:
    """Whether this process may be copied now."""
    return _allowed and not _at_work.locked()


@contextmanager
def no_fork() -> Iterator[None]:
    """In here a thread that is not the main one calculates; the process is not copied meanwhile."""
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
    """``work`` on every item by so many copies of this process.

    Results in order, errors raised in their place. What a copy that died has not done is done here,
    and so is what one would do for which memory is too small. Closing this early ends the copies.
    """
    with _at_work:
        with _turn, _still, _signals_held():
            copies = _copies(work, items, workers)
        try:
            for number, item in enumerate(items):
                copy = number % workers
                yield _receive(copies[copy][1], work, item) if copy < len(copies) else work(item)
        finally:
            for process, _ in copies:
                process.kill()  # there is nothing that it could leave behind
                process.join()


@contextmanager
def _signals_held() -> Iterator[None]:
    """Signals that end the program wait: what they raise amid the copying of a process, Python
    would ignore.

    Python hears signals in the main thread, so in others there is nothing to do.
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


def _copies(
    work: Callable[[_Item], Any], items: Sequence[_Item], workers: int
) -> list[tuple[BaseProcess, Connection]]:
    """As many copies as can be had; each takes its share of the items."""
    made: list[tuple[BaseProcess, Connection]] = []
    with suppress(OSError):
        for first in range(workers):
            made.append(_copy(work, items[first::workers]))
    return made


def _copy(work: Callable[[_Item], Any], items: Sequence[_Item]) -> tuple[BaseProcess, Connection]:
    """A copy that works on ``items``, and where its answers come from."""
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
    """The life of a copy. It leaves signals of the keyboard to the one it was copied from."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)  # the threads of several are not copied
    with suppress(BrokenPipeError):  # nobody waits for answers any more
        for item in items:
            answers.send_bytes(_answer(work, item))


def _answer(work: Callable[[_Item], Any], item: _Item) -> bytes:
    try:
        return pickle.dumps((work(item), None))
    except Exception as error:
        try:
            return pickle.dumps((None, error))
        except Exception:  # an error that cannot be sent
            return pickle.dumps((None, RuntimeError(str(error))))


def _receive(answers: Connection, work: Callable[[_Item], _Result], item: _Item) -> _Result:
    try:
        result, error = pickle.loads(answers.recv_bytes())
    except EOFError:  # the copy died, perhaps for want of memory: alone there is more of it
        return work(item)
    if error:
        raise error
    found: _Result = result
    return found
