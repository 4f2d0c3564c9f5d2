"""Names tell what is a film, and a film is complete when nothing writes it any more."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gptasr_subs.jobs.arrivals import Arrivals, is_open_for_writing
from gptasr_subs.jobs.rules import Candidate, decide
from gptasr_subs.media.library import find_arrived, is_wanted
from tests.support.films import make_film


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("film.mkv", True),
        ("a/b/FILM.MP4", True),
        ("film.en.srt", False),
        (".film.mkv", False),
        (".hidden/film.mkv", False),
        ("film.mkv.part", False),
        ("film.part.mkv", False),
        ("film.mkv.!qB", False),
        ("_UNPACK_film/film.mkv", False),
        ("film.mkv~", False),
        ("film.subtitled.mp4", False),
        ("notes.txt", False),
        ("@eaDir/film.mkv", False),
        ("Dune.Part.Two.2024.mkv", True),
        ("Harry.Potter.and.the.Deathly.Hallows.Part.1.2010.1080p.mkv", True),
        ("lecture.part.1.mp4", True),
        ("The.Temp.1993.mkv", True),
        ("The.Temp.mkv", True),
        ("The.Download.S01E01.mkv", True),
        ("the.download.mkv", True),
        ("Lecture.3.tmp.notes.mkv", True),
        ("...And Justice for All (1979)/...And Justice for All (1979).mkv", True),
        ("_Failed_ State.mkv", True),
        ("Dune.Part.Two.mkv.part", False),
        ("film.temp.mkv", False),
        ("film.mkv.crdownload", False),
        ("#recycle/film.mkv", False),
        ("$RECYCLE.BIN/S-1-5-21/film.mkv", False),
        ("@Recycle/film.mkv", False),
        ("lost+found/film.mkv", False),
        ("#snapshot/daily/film.mkv", False),
        ("System Volume Information/film.mkv", False),
        ("Network Trash Folder/film.mkv", False),
        ("~snapshot/film.mkv", False),
        ("Recycled/film.mkv", False),
        ("Recycled Songs/film.mkv", True),
    ],
)
def test_names_tell_what_is_a_film(name: str, wanted: bool, tmp_path: Path) -> None:
    assert is_wanted(tmp_path / name, tmp_path) is wanted
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"")
    assert list(find_arrived(tmp_path)) == [tmp_path / name] * wanted
    if not wanted:
        assert decide(Candidate(tmp_path / name, root=tmp_path)).rule in ("name", "own output")


def test_a_title_that_may_be_a_mark_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "harry.potter.part.mkv").write_bytes(b"")
    assert not list(find_arrived(tmp_path))
    assert "'.part' in its name says that it is not complete; rename it if it is" in caplog.text


def test_a_file_is_complete_when_it_is_unchanged_closed_and_readable(tmp_path: Path) -> None:
    now = 0.0
    arrivals = Arrivals(stable_seconds=10, patience=60, clock=lambda: now)
    data = make_film(tmp_path / "whole.wav").read_bytes()
    film = tmp_path / "film.wav"
    with film.open("wb") as file:
        file.write(data[:1000])
        file.flush()
        arrivals.add(film)
        now = 11.0
        file.write(data[1000:])
        file.flush()
        assert arrivals.complete() == []  # it has grown
        now = 25.0
        if sys.platform == "linux":
            assert is_open_for_writing(film) and arrivals.complete() == []
    assert not is_open_for_writing(film)
    now = 40.0
    assert arrivals.complete() == [film] and len(arrivals) == 0 and arrivals.complete() == []


def test_unreadable_files_are_held_and_gone_ones_forgotten(tmp_path: Path) -> None:
    now = 0.0
    arrivals = Arrivals(stable_seconds=10, patience=60, clock=lambda: now)
    bad, gone = tmp_path / "bad.mkv", tmp_path / "gone.mkv"
    for path in (bad, gone):
        path.write_text("text")
        arrivals.add(path)
    gone.unlink()
    now = 11.0
    assert arrivals.complete() == [] and len(arrivals) == 1
    now = 59.0
    assert arrivals.complete() == []
    now = 61.0
    assert arrivals.complete() == [bad]
