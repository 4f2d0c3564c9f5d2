"""The manifest: a line a film, which outlives its writer, is summed up and spares work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gptasr_subs.errors import FormatError
from gptasr_subs.farm.collection import Collected, add_films, films_at
from gptasr_subs.farm.manifest import open_manifest, read_manifest, settings_of
from gptasr_subs.jobs.hooks import Event
from gptasr_subs.jobs.queue import MEMORY, State, open_queue
from gptasr_subs.pipeline.options import Options
from tests.support.ended import Program

DONE = Event(Path("a.mkv"), "done", seconds=3600.0, elapsed=60.0, words=9000, confidence=0.9)


def write(path: Path, *events: tuple[Path, Event], settings: str = "same") -> None:
    """The lines of a run over these films."""
    with open_queue(MEMORY) as queue, open_manifest(path, settings) as manifest:
        for film, event in events:
            queue.add(film)
            job = queue.claim("me")
            assert job
            manifest.add(job, event)
            queue.finish(job, State.DONE)


def test_a_line_says_what_became_of_a_film(tmp_path: Path) -> None:
    event = Event(
        Path("a.mkv"), "done", seconds=8.0, elapsed=0.5, words=5, confidence=0.9, node="n"
    )
    write(tmp_path / "out.jsonl", (tmp_path / os.fsdecode(b"a\xff.mkv"), event))
    (line,) = (tmp_path / "out.jsonl").read_text().splitlines()
    facts = json.loads(line)
    assert facts.pop("at") > 1e9
    assert facts == {
        "film": str(tmp_path / os.fsdecode(b"a\xff.mkv")), "outcome": "done", "reason": "",
        "seconds": 8.0, "elapsed": 0.5, "words": 5, "confidence": 0.9, "node": "n", "tries": 1,
        "settings": "same",
    }  # fmt: skip


def test_a_line_torn_by_a_kill_is_left_out_and_the_next_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write(path, (tmp_path / "a.mkv", DONE))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    assert len(list(read_manifest(path))) == 1
    write(path, (tmp_path / "b.mkv", DONE))
    assert [Path(entry.film).name for entry in read_manifest(path)] == ["a.mkv", "b.mkv"]


def test_another_file_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n")
    with pytest.raises(FormatError, match="line 1 is none of a farm's manifest"):
        write(path)
    assert path.read_text() == "my notes\n"


def test_what_is_done_with_the_same_settings_is_not_done_again(tmp_path: Path) -> None:
    """Where subtitles are replaced, what is there does not say how it came about."""
    films = [tmp_path / name for name in ("done.mkv", "failed.mkv", "changed.mkv", "other.mkv")]
    for film in films:
        film.write_bytes(b"x")
    path = tmp_path / "out.jsonl"
    failed = Event(films[1], "failed", reason="bad")
    write(path, (films[0], DONE), (films[1], failed), (films[2], DONE))
    write(path, (films[3], DONE), settings="others")
    os.utime(films[2], (4e9, 4e9))
    collected = Collected()
    with open_queue(MEMORY) as queue, open_manifest(path, "same") as manifest:
        add_films(queue, films_at(str(tmp_path)), manifest, collected=collected, overwrite=True)
        # both are known to be long, and stay in the order of their names
        assert [job.path.name for job in queue.jobs()] == ["changed.mkv", "other.mkv", "failed.mkv"]
    assert (collected.films, collected.known) == (3, 1)


def test_settings_are_those_that_change_the_text() -> None:
    usual = settings_of(Options(), "default")
    assert usual == settings_of(Options(overwrite=True, output_dir=Path("elsewhere")), "default")
    others = [settings_of(Options(beams=2), "default"), settings_of(Options(), "small")]
    assert len({usual, *others}) == 3


def test_large_files_come_first_audio_by_its_own_measure(tmp_path: Path) -> None:
    for name, size in [("a.mkv", 4_000_000), ("b.mp3", 1_600_000), ("c.mkv", 8_000_000)]:
        (tmp_path / name).write_bytes(bytes(size))
    collected = Collected()
    with open_queue(MEMORY) as queue, open_manifest(None, "") as manifest:
        add_films(queue, films_at(str(tmp_path)), manifest, collected=collected, overwrite=False)
        assert [job.path.name for job in queue.jobs()] == ["b.mp3", "c.mkv", "a.mkv"]
    assert (collected.films, collected.seconds) == (3, 130.0)


def test_the_report_counts_the_last_line_of_each_film(tmp_path: Path, program: Program) -> None:
    path = tmp_path / "out.jsonl"
    bad = tmp_path / "bad.mkv"
    reason = f"{str(bad)!r} has no audio track."
    failed = Event(bad, "failed", reason=reason, node="attic")
    done = Event(bad, "done", seconds=3600.0, elapsed=30.0, words=1, confidence=0.5, node="desk")
    write(path, (tmp_path / "a.mkv", failed), (bad, failed), (tmp_path / "a.mkv", done))
    ended = program("farm", "report", path)
    assert ended.code == 0 and ended.err == ""
    assert ended.out.splitlines() == [
        "2 films: 1 done, 1 failed; 1.0 h of audio, 1 word of mean confidence 0.50.",
        "NODE  FILMS  HOURS  RTFX OF A WORKER",
        "desk  1      1.0    120.0",
        "FAILED  REASON",
        "1       the film has no audio track.",
        reason,
    ]
    assert program("farm", "report", tmp_path / "nix").code == 1
