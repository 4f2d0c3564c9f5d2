"""The real server in a process of its own, with the fake recogniser in its recognition process.

Run as a program, it serves on the socket it is given until it is told to stop.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import httpx

from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.storage.folders import CACHE_VARIABLE, DATA_VARIABLE
from gptasr_subs.types import Word
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.processes import REPOSITORY


class Gated(FakeRecognizer):
    """Waits before each window until the test lets it pass, and notes each window in a file.

    A term takes the place of the words that it sounds like. The file ``confidence``, where there is
    one, says how sure it is of its words.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = Path(folder)
        self._heard: dict[str, str] = {}

    def with_glossary(self, glossary: Glossary) -> Gated:
        (self._folder / "terms").write_text(" ".join(term.text for term in glossary.terms))
        listening = copy(self)
        listening._heard = {sound: term.text for term in glossary.terms for sound in term.spellings}
        if listening._heard:
            listening.identity = f"gated {glossary.digest}"  # type: ignore[attr-defined]
        return listening

    def transcribe(self, clips, *, batch_size=0, beams=0):  # type: ignore[no-untyped-def]
        for index, clip in enumerate(clips):
            with (self._folder / "windows").open("a") as file:
                file.write(f"{os.getpid()}\n")
            gate = self._folder / "gate"
            if gate.exists():
                gate.read_text()  # a pipe: until somebody has written
            words = next(super().transcribe([clip]))[1]
            yield index, [self._told(word) for word in words]

    def _told(self, word: Word) -> Word:
        file = self._folder / "confidence"
        confidence = float(file.read_text()) if file.exists() else word.confidence
        return replace(word, text=self._heard.get(word.text, word.text), confidence=confidence)


@dataclass
class Served:
    """A server that runs. ``windows`` are the processes that recognised one, in order."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    listener: socket.socket
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60))

    @property
    def windows(self) -> list[int]:
        file = self.folder / "windows"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def post(self, path: str, **settings: object) -> httpx.Response:
        return self.client.post(self.url + path, **settings)  # type: ignore[arg-type]

    def get(self, path: str, **settings: object) -> httpx.Response:
        return self.client.get(self.url + path, **settings)  # type: ignore[arg-type]

    @property
    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "log").read_text()

    @property
    def uploads(self) -> list[Path]:
        """What lies in the folder of uploads that are not those of jobs."""
        return [*(self.folder / "cache" / "uploads").iterdir()]

    @property
    def job_uploads(self) -> list[Path]:
        """What lies in the folder of jobs' uploads."""
        folder = self.folder / "data" / "uploads"
        return [path for path in folder.rglob("*") if path.is_file()]

    def wait_until_free(self) -> None:
        """Until nothing is being recognised or received; fails where an upload is left over."""
        deadline = time.monotonic() + 60
        while self.get("/healthz").json()["waiting"] or self.uploads:
            assert time.monotonic() < deadline, self.uploads

    def begin_stop(self) -> None:
        """Tell it to stop, and wait until it says that it does."""
        self.process.send_signal(signal.SIGTERM)
        while "Stopping" not in (self.folder / "log").read_text():
            pass

    def close_gate(self) -> None:
        """From now on windows wait."""
        os.mkfifo(self.folder / "gate")

    def open_gate(self) -> None:
        """Let the window that waits, if one does, and all others pass."""
        gate = self.folder / "gate"
        pipe = os.open(gate, os.O_RDWR)
        gate.unlink()
        os.close(pipe)

    def pass_window(self) -> None:
        """Wait until a window is at the gate, and let it pass."""
        os.close(os.open(self.folder / "gate", os.O_WRONLY))


@contextmanager
def served(
    folder: Path,
    *arguments: str | Path,
    keepalive: float = 1.0,
    listener: socket.socket | None = None,
    fake: bool = True,
) -> Iterator[Served]:
    """``gptasr-subs serve`` with these arguments until the block ends; then it stops gracefully."""
    folder.mkdir(exist_ok=True)
    if listener is None:
        listener = socket.create_server(("127.0.0.1", 0))
    process = start(folder, listener, *arguments, keepalive=keepalive, fake=fake)
    server = Served(
        f"http://127.0.0.1:{listener.getsockname()[1]}",
        folder=folder,
        process=process,
        listener=listener,
    )
    try:
        yield server
    finally:
        if (folder / "gate").exists():
            server.open_gate()
        server.process.send_signal(signal.SIGTERM)  # a test may have started it again
        server.process.wait(60)
        listener.close()
        log = (folder / "log").read_text()
        assert "Traceback" not in log, log


def start(
    folder: Path,
    listener: socket.socket,
    *arguments: str | Path,
    keepalive: float = 1.0,
    fake: bool = True,
) -> subprocess.Popen[bytes]:
    """A server on a socket that listens; its log, cache and data lie in ``folder``."""
    places = {CACHE_VARIABLE: str(folder / "cache"), DATA_VARIABLE: str(folder / "data")}
    told = json.dumps(
        {
            "arguments": [*map(str, arguments)],
            "folder": str(folder),
            "keepalive": keepalive,
            "fake": fake,
        }
    )
    with (folder / "log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.served", told, str(listener.fileno())],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **places},
            pass_fds=[listener.fileno()],
            stdout=log,
            stderr=log,
        )


def main(told: str, fd: str) -> None:
    """Run the command, if wanted with the fake recogniser in the place of the model."""
    from gptasr_subs.cli.main import main
    from gptasr_subs.server import running

    facts = json.loads(told)
    load = partial(Gated, facts["folder"]) if facts["fake"] else None
    serve = running.serve

    def serve_so(settings, fd=None, **options):  # type: ignore[no-untyped-def]
        serve(replace(settings, keepalive=facts["keepalive"]), fd, load=load, **options)

    running.serve = serve_so
    sys.argv = ["gptasr-subs", "serve", "--fd", fd, *facts["arguments"]]
    main()


if __name__ == "__main__":
    main(*sys.argv[1:])
