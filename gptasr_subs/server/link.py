"""The server's end of the connection to its recognition process."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.server.messages import FromWorker, Stop, ToWorker

STOP_PATIENCE = 60.0  # seconds that the windows at work may take


class WorkerDied(Exception):
    """The process is gone, and with it what it was doing."""


class WorkerLink:
    """A process that runs, and a thread that listens to it."""

    def __init__(
        self,
        process: BaseProcess,
        connection: Connection,
        on_message: Callable[[FromWorker], None],
        on_death: Callable[[WorkerLink], None],
    ) -> None:
        """Made by ``start``; the functions are called in the event loop."""
        self.process = process
        self._connection = connection
        self._on_message = on_message
        self._on_death = on_death
        self.is_stopping = False
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @classmethod
    async def start(
        cls,
        load: Callable[[], Recognizer],
        on_message: Callable[[FromWorker], None],
        on_death: Callable[[WorkerLink], None],
    ) -> WorkerLink:
        """A new process. It is spawned, not forked, so that it begins with little memory."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_live, args=(theirs, load), daemon=True)
        await asyncio.to_thread(process.start)
        theirs.close()
        return cls(process, ours, on_message, on_death)

    def send(self, message: ToWorker) -> None:
        """Tell the process something; that it has died is said by ``on_death``."""
        with contextlib.suppress(OSError):
            self._connection.send(message)

    async def stop(self) -> None:
        """Have it end, and wait until it has; one that does not is killed."""
        self.is_stopping = True
        self.send(Stop())
        await asyncio.to_thread(self.process.join, STOP_PATIENCE)
        self.process.kill()
        await asyncio.to_thread(self._thread.join)

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._call(self._on_message, self._connection.recv())
        self.process.join()
        self._connection.close()
        self._call(self._on_death, self)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any longer
            self._loop.call_soon_threadsafe(function, *arguments)


def _live(connection: Connection, load: Callable[[], Recognizer]) -> None:
    """In the new process, where alone the large modules are imported."""
    from gptasr_subs.server.worker import run_worker

    run_worker(connection, load)


def load_model(model: str, device: str, language: str) -> Recognizer:
    """The server's model, which is loaded when it is first needed."""
    from gptasr_subs.recognition.loading import lazy_model

    return lazy_model(model, device, language)
