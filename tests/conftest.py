"""Fixtures that tests of several folders use."""

from __future__ import annotations

import math
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gptasr_subs.cli import progress
from gptasr_subs.cli.main import main
from gptasr_subs.media.ffmpeg import find_ffmpeg
from gptasr_subs.model import files
from gptasr_subs.recognition import workers as forked
from gptasr_subs.storage.folders import CACHE_VARIABLE, DATA_VARIABLE
from tests.support.ended import Ended, Program
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import make_film

# As the program does, before torch is there: of two test processes whose threads spin while they
# wait, each keeps the other from working, and recognition takes ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(autouse=True)
def no_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo that the program allows forking, which later tests do not want."""
    monkeypatch.setattr(forked, "_allowed", False)


@pytest.fixture(autouse=True)
def own_places(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the journal nor the queue of the person who runs the tests."""
    for variable in (CACHE_VARIABLE, DATA_VARIABLE):
        monkeypatch.setenv(variable, str(tmp_path_factory.mktemp("own")))


@pytest.fixture
def program(
    no_checkpoints: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Program:
    """Run ``gptasr-subs`` with these arguments in this process."""
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    # or a slow machine says more than a fast one
    monkeypatch.setattr(progress, "_LINE_SECONDS", math.inf)

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["gptasr-subs", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        captured = capfd.readouterr()
        return Ended(int(end.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRecognizer:
    """Every model is the fake one; ``loads`` counts how often it was loaded."""
    recognizer = FakeRecognizer()
    loads: list[tuple[str, str]] = []

    def load(model: str = "default", device: str = "auto", language: str = "en") -> FakeRecognizer:
        loads.append((model, device))
        return recognizer

    monkeypatch.setattr("gptasr_subs.recognition.loading.load_model", load)
    recognizer.loads = loads  # type: ignore[attr-defined]
    return recognizer


@pytest.fixture
def no_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the shipped checkpoint nor those of the person who runs the tests."""
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "no cache")
    monkeypatch.setattr(files, "SHIPPED", tmp_path / "no shipped")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one talk in it."""
    (tmp_path / "films").mkdir()
    make_film(tmp_path / "films" / "talk.wav")
    return tmp_path / "films"


@pytest.fixture(params=["ffprobe", "ffmpeg alone", "imageio-ffmpeg"])
def tools(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each of the ways to have ffmpeg, one after the other."""
    real = shutil.which
    hidden = {"ffprobe": [], "ffmpeg alone": ["ffprobe"], "imageio-ffmpeg": ["ffprobe", "ffmpeg"]}[
        request.param
    ]
    if not real("ffmpeg") and request.param != "imageio-ffmpeg":
        pytest.skip("no ffmpeg is installed")
    monkeypatch.setattr(shutil, "which", lambda name: None if name in hidden else real(name))
    find_ffmpeg.cache_clear()
    yield request.param
    find_ffmpeg.cache_clear()
