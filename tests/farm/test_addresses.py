"""Films at addresses are fetched, and their subtitles put back whole; nothing stays behind."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gptasr_subs.errors import FarmError, MediaError
from gptasr_subs.farm.addresses import find_films
from gptasr_subs.farm.films import Film, Outcome
from gptasr_subs.farm.subtitler import Subtitler
from gptasr_subs.pipeline.options import Options
from gptasr_subs.pipeline.subtitle import subtitle
from gptasr_subs.recognition.loading import LazyRecognizer
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import make_film, names_in

fsspec = pytest.importorskip("fsspec")
OPTIONS = Options(formats=("srt", "json"), journal=False)


@pytest.fixture
def own_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of temporary files; empty but for the one that copies lie in at the end."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield tmp_path / "temporary"
    assert [*(tmp_path / "temporary").glob("gptasr-farm/*")] == []


@pytest.fixture
def store(folder: Path, own_temporary: Path) -> Iterator[Any]:
    """A store of objects with the talk in it, and a file that is no media."""
    store = fsspec.filesystem("memory")
    store.pipe("/films/talk.wav", (folder / "talk.wav").read_bytes())
    store.pipe("/films/.hidden.wav", b"x")
    store.pipe("/films/notes.txt", b"x")
    yield store
    store.rm("/", recursive=True)


def work(place: str, folder: str = "", options: Options = OPTIONS) -> Outcome:
    subtitler = Subtitler(LazyRecognizer(FakeRecognizer, "fake"))
    answer = subtitler(Film(1, place, options, folder=folder), lambda: False)
    assert isinstance(answer, Outcome)
    return answer


def test_subtitles_lie_beside_the_film_as_one_machine_writes_them(store: Any, folder: Path) -> None:
    assert find_films("memory://films") == [
        ("memory:///films/talk.wav", (folder / "talk.wav").stat().st_size)
    ]
    outcome = work("memory://films/talk.wav")
    assert (outcome.event.state, outcome.event.words) == ("done", 5)
    subtitle(folder / "talk.wav", FakeRecognizer(), options=OPTIONS)
    for name in ("talk.en.srt", "talk.en.json"):
        assert store.cat(f"/films/{name}") == (folder / name).read_bytes()
    assert len(store.find("/")) == 5


def test_what_is_there_is_kept_and_only_the_rest_is_made(store: Any) -> None:
    store.pipe("/films/talk.en.srt", b"mine")
    assert work("memory://films/talk.wav").event.state == "done"
    assert store.cat("/films/talk.en.srt") == b"mine" and store.exists("/films/talk.en.json")
    assert work("memory://films/talk.wav").event.state == "skipped"
    replacing = Options(formats=("srt",), overwrite=True, journal=False)
    assert work("memory://films/talk.wav", options=replacing).event.state == "done"
    assert store.cat("/films/talk.en.srt") != b"mine"


def test_results_go_to_a_folder_or_an_address(store: Any, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    here = Options(output_dir=tmp_path / "here", journal=False)
    assert work("memory://films/talk.wav", options=here).event.state == "done"
    assert names_in(tmp_path / "here") == ["talk.en.srt"]
    assert work(str(folder / "talk.wav"), "memory://subtitles").event.state == "done"
    assert store.exists("/subtitles/talk.en.srt") and names_in(folder) == ["talk.wav"]


def test_what_cannot_be_fetched_or_written_is_said(store: Any, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="There is nothing at 'memory://films/nix'"):
        find_films("memory://films/nix")
    with pytest.raises(FarmError, match="'nix://films' cannot be read"):
        find_films("nix://films")
    outcome = work("memory://films/nix.wav")
    assert outcome.event.state == "failed" and not outcome.is_final
    assert "'memory://films/nix.wav' cannot be read" in outcome.event.reason
    gone = Options(output_dir=tmp_path / "gone", journal=False)
    assert "cannot be read or written" in work("memory://films/talk.wav", options=gone).event.reason


@pytest.mark.skipif(sys.platform == "win32", reason="needs locks of POSIX")
def test_copies_of_a_killed_worker_are_removed_by_the_next(store: Any, own_temporary: Path) -> None:
    killed = (
        "import os, signal, sys, tempfile\ntempfile.tempdir = sys.argv[1]\n"
        "from gptasr_subs.farm.addresses import own_folder\n"
        "with own_folder() as folder:\n    (folder / 'film').write_bytes(b'x')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", killed, str(own_temporary)]
    assert subprocess.run(command, check=False).returncode == -9
    assert len([*own_temporary.glob("gptasr-farm/*/film")]) == 1
    assert work("memory://films/talk.wav").event.state == "done"


def test_a_film_on_a_share_is_written_by_a_rename(tmp_path: Path, own_temporary: Path) -> None:
    make_film(tmp_path / "talk.wav")
    assert work(f"local://{tmp_path}/talk.wav").event.state == "done"
    assert names_in(tmp_path) == ["talk.en.json", "talk.en.srt", "talk.wav", "temporary"]
