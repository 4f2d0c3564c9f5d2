"""Files that grow with the recognition are whole at any moment; it may begin anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptasr_subs.formats import read
from gptasr_subs.pipeline.options import Options, Progress
from gptasr_subs.pipeline.subtitle import subtitle
from tests.support.ended import Program
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import make_film, names_in

TALK = [(2.0 * n + 1, ["one", "two", "three", "four"][n % 4]) for n in range(65)]
SECONDS = 132.0


class Watching(FakeRecognizer):
    """Looks at a file whenever it is asked for another group of words."""

    def __init__(self, path: Path, **fails: object) -> None:
        super().__init__(**fails)  # type: ignore[arg-type]
        self.path, self.seen = path, []  # type: ignore[var-annotated]

    def transcribe(self, clips, *, batch_size=0, beams=0):  # type: ignore[no-untyped-def]
        self.seen.append([cue.start for cue in read(self.path)] if self.path.exists() else None)
        return super().transcribe(clips, batch_size=batch_size, beams=beams)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "long.wav", TALK, SECONDS)


def options(**more: object) -> Options:
    return Options(journal=False, **more)  # type: ignore[arg-type]


def test_the_file_grows_and_ends_as_it_would_have_been(tmp_path: Path) -> None:
    film = make_film(
        tmp_path / "long.wav", [*TALK, *[(start + 130, text) for start, text in TALK[:20]]], 172.0
    )
    subtitle(film, FakeRecognizer(), options=options(output=tmp_path / "whole.srt"))
    recognizer = Watching(tmp_path / "long.en.srt")
    subtitle(film, recognizer, options=options(progressive=True))
    assert recognizer.seen[0] is None
    # the first group, of some 20 s of speech
    assert recognizer.seen[1][0] == pytest.approx(1.0, abs=0.1)
    assert 20 < recognizer.seen[1][-1] < 60
    assert (tmp_path / "long.en.srt").read_bytes() == (tmp_path / "whole.srt").read_bytes()


def test_without_it_nothing_is_there_before_the_end(film: Path, tmp_path: Path) -> None:
    recognizer = Watching(tmp_path / "long.en.srt")
    subtitle(film, recognizer, options=options())
    assert set(recognizer.seen) == {None}


@pytest.mark.parametrize("before", [None, "1\n00:00:01,000 --> 00:00:02,000\nMine.\n"])
@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt()])
def test_a_run_that_fails_leaves_what_was_there_before(
    error: BaseException, before: str | None, film: Path, tmp_path: Path
) -> None:
    target = tmp_path / "long.en.srt"
    if before:
        target.write_text(before)
    recognizer = Watching(target, fails=error, after=1)
    with pytest.raises(type(error)):
        subtitle(film, recognizer, options=options(progressive=True, overwrite=True))
    assert (target.read_text() if target.exists() else None) == before
    assert names_in(tmp_path) == ["long.en.srt"] * bool(before) + ["long.wav"]


def test_recognition_begins_where_it_is_told(film: Path, tmp_path: Path) -> None:
    recognizer, places = Watching(tmp_path / "long.en.srt"), []
    subtitle(
        film, recognizer, options=options(progressive=True, start=50.5), on_progress=places.append
    )
    assert 50 < recognizer.seen[1][0] < 52 and 70 < recognizer.seen[1][-1] < 110
    cues = read(tmp_path / "long.en.srt")
    assert cues[0].start == pytest.approx(1.0, abs=0.1) and cues[-1].start > 125
    assert " ".join(" ".join(cue.lines) for cue in cues).split() == [text for _, text in TALK]
    starts = [cue.start for cue in cues]
    assert starts == sorted(starts)
    assert [place.done for place in places] == sorted(place.done for place in places)
    assert places[-1] == Progress(pytest.approx(SECONDS, abs=3), pytest.approx(SECONDS, abs=0.1))


def test_a_beginning_after_the_end_listens_to_all(film: Path, tmp_path: Path) -> None:
    subtitle(film, FakeRecognizer(), options=options(start=1000.0))
    assert len(
        " ".join(" ".join(cue.lines) for cue in read(tmp_path / "long.en.srt")).split()
    ) == len(TALK)


def test_on_the_command_line(
    program: Program, fake: FakeRecognizer, folder: Path, tmp_path: Path
) -> None:
    ended = program(
        folder / "talk.wav",
        "--progressive",
        "--from",
        "4",
        "--output",
        tmp_path / "x.srt",
        "--quiet",
    )
    assert ended.code == 0 and [cue.lines for cue in read(tmp_path / "x.srt")] == [
        ("one two three",),
        ("four Five.",),
    ]
    assert program(folder / "talk.wav", "--from", "-1").code == 2
