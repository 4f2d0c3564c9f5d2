"""The program as a process: start-up, signals, pipes, terminals and progress."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from gptasr_subs import __version__
from gptasr_subs.cli import progress as module
from tests.support.films import make_film, names_in
from tests.support.processes import REPOSITORY, WAITING, posix, start


def test_help_and_version_are_there_and_import_nothing_heavy(tmp_path: Path) -> None:
    process = start("-X", "importtime", "-m", "gptasr_subs", "--help", stdout=-1, stderr=-1)
    out, err = process.communicate()
    assert process.returncode == 0
    assert "--output-dir" in out and "evaluate" in out
    loaded = {line.rpartition("|")[2].strip() for line in err.splitlines()}
    assert "gptasr_subs.cli.subtitle" in loaded
    assert not loaded & {"torch", "numpy", "transformers", "rich.console", "jiwer", "pysrt"}
    process = start("-m", "gptasr_subs", "--version", stdout=-1)
    assert process.communicate()[0] == f"gptasr-subs {__version__}\n"


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_nothing_half_written(
    number: signal.Signals, code: int, folder: Path
) -> None:
    unblock = {
        "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    }  # a shell's background jobs ignore it
    process = start("-c", WAITING, REPOSITORY, folder, stdin=-1, stdout=-1, stderr=-1, **unblock)
    assert process.stdout and process.stdout.readline() == "working\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code and "Traceback" not in err
    assert names_in(folder) == ["talk.wav"]


SPEAKING = WAITING.replace("class Waiting", "class Unused").replace("Waiting()", "FakeRecognizer()")


@posix
def test_a_reader_that_has_read_enough_is_no_error(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start("-c", SPEAKING, REPOSITORY, folder, "-o", "-", stdout=writing, stderr=-1)
    os.close(writing)
    _, err = process.communicate()
    assert process.returncode == 1 and err == ""


@posix
def test_a_terminal_gets_a_bar_with_place_and_speed(folder: Path) -> None:
    import pty

    terminal, side = pty.openpty()
    process = start("-c", SPEAKING, REPOSITORY, folder, stderr=side)
    os.close(side)
    shown: list[bytes] = []
    reader = threading.Thread(
        target=lambda: shown.extend(iter(lambda: read_terminal(terminal), b""))
    )
    reader.start()
    assert process.wait() == 0
    reader.join()
    os.close(terminal)
    text = b"".join(shown).decode()
    assert "talk.wav" in text and "/ 00:00:08" in text and "x real time" in text
    assert "2 subtitles; 00:00:08 of audio" in text


def read_terminal(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # how Linux says that the other side is gone
        return b""


def test_without_a_terminal_lines_come_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    with module.progress("talk.mp4", module.place_in_media(), quiet=False) as update:
        for second in range(101):  # 36 s of a film of an hour for each second of work
            now = 100.0 + second
            update(36.0 * second, 3600.0)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "talk.mp4: 00:06:00 / 01:00:00, 36.0 x real time"
    assert 9 <= len(lines) <= 10
    with module.progress("short.mp4", module.place_in_media(), quiet=False) as update:
        for done in range(100):
            update(float(done), 100.0)  # in no time at all
    assert capsys.readouterr().err == ""


def test_places_are_in_words() -> None:
    assert module.place_in_files(12, 50) == "12 / 50 files"
    assert module.place_in_bytes(1.5 * 2**20, 80 * 2**20) == "1.5 / 80.0 MiB"
    assert module.place_in_bytes(2**20, None) == "1.0 MiB"


@pytest.mark.slow
@posix
def test_a_busy_computer_slows_a_short_clip_by_its_load_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if no thread spun while it waits."""
    clip = make_film(tmp_path / "clip.wav", [(0.5, "one"), (1.0, "two")], 2.0)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    loops = [start("-c", "while True: pass") for _ in range(os.cpu_count() or 1)]
    try:
        monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
        passive = _seconds_of_a_run(clip)
        monkeypatch.delenv("OMP_WAIT_POLICY")
        assert _seconds_of_a_run(clip) < 1.5 * passive
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _seconds_of_a_run(clip: Path) -> float:
    """How long the shipped model takes for a clip, by the better of two runs."""
    times = []
    for _ in range(2):
        began = time.monotonic()
        process = start("-m", "gptasr_subs", "--no-journal", "--overwrite", "--quiet", clip)
        assert process.wait() == 0
        times.append(time.monotonic() - began)
    return min(times)
