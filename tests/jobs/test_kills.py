"""Killed at any moment and started again, a run ends as if nothing had been."""

from __future__ import annotations

import multiprocessing
import random
import signal
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from gptasr_subs.pipeline.options import Options
from gptasr_subs.pipeline.subtitle import subtitle
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import make_film, names_in

TALK = [(1.5 * n + 1, ["one", "two", "three", "four"][n % 4]) for n in range(44)]
KILLS = 20
OPTIONS = Options(formats=("srt", "json"), overwrite=True)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks")


class Telling(FakeRecognizer):
    """Says of each window which one it is, and recognises it once it is permitted to."""

    def __init__(self, parent: Connection) -> None:
        super().__init__()
        self._parent = parent

    def transcribe(self, clips, *, batch_size=0, beams=0):  # type: ignore[no-untyped-def]
        for index in sorted(range(len(clips)), key=lambda index: -len(clips[index])):
            self._parent.recv()
            self._parent.send(sha256(clips[index].tobytes()).hexdigest())
            yield index, next(super().transcribe([clips[index]]))[1]


def run(film: Path, parent: Connection) -> None:
    subtitle(film, Telling(parent), options=OPTIONS)


def started(film: Path, permits: int) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    # what is imported need not be imported twenty times
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    for _ in range(permits):
        ours.send(True)
    process = context.Process(target=run, args=(film, theirs))
    process.start()
    theirs.close()
    return process, ours


def windows_told(child: Connection, at_most: int = sys.maxsize) -> Iterator[str]:
    try:
        for _ in range(at_most):
            yield child.recv()
    except (EOFError, ConnectionResetError):  # it was killed
        return


def outputs(film: Path) -> list[bytes]:
    return [film.with_name(f"{film.stem}.en.{end}").read_bytes() for end in OPTIONS.formats]


def test_twenty_kills_end_in_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gptasr_subs.recognition.windows._FIRST_GROUP", 4.0)
    chance = random.Random(6)
    film = make_film(tmp_path / "talk.wav", TALK, 68.0)
    runs: list[list[str]] = []
    for _ in range(KILLS):
        permits = chance.randrange(3)
        process, child = started(film, permits)
        seen = list(windows_told(child, permits))
        # waits for nothing: leaves the moment to chance
        time.sleep(chance.random() * (0.02 if permits else 0.3))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL and names_in(tmp_path) == ["talk.wav"]
        runs.append(seen + list(windows_told(child)))
    process, child = started(film, permits=len(TALK))
    runs.append(list(windows_told(child)))
    process.join()
    assert process.exitcode == 0
    for number, windows in enumerate(runs):
        later = {window for others in runs[number + 1 :] for window in others}
        assert not later & set(windows[:-1])
    disturbed = outputs(film)
    subtitle(
        film,
        FakeRecognizer(),
        options=Options(formats=OPTIONS.formats, overwrite=True, journal=False),
    )
    assert disturbed == outputs(film)
    assert len({window for windows in runs for window in windows}) == len(TALK)
