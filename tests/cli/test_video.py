"""Subtitles in the film itself: --embed and --burn as a person meets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptasr_subs.media.library import find_media
from gptasr_subs.media.probe import inspect
from gptasr_subs.outputs.embedding import Track, embedded_track
from tests.support.ended import Program, one_line
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import SPOKEN, make_film, names_in
from tests.support.media_maker import make_media, noise


@pytest.fixture
def film(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    return make_film(tmp_path / "films" / "movie.mkv")


def tracks(film: Path) -> list[str]:
    return [
        stream["tags"]["title"]
        for stream in inspect(film)["streams"]
        if stream["codec_type"] == "subtitle"
    ]


def test_embed_puts_the_subtitles_into_the_film_and_not_beside_it(
    program: Program, fake: FakeRecognizer, film: Path
) -> None:
    ended = program(film, "--embed")
    assert ended.code == 0 and names_in(film.parent) == ["movie.mkv"]
    assert one_line(ended.err).startswith(f"{film}: 2 subtitles; 00:00:08 of audio")
    assert tracks(film) == ["English (automatic)"] and embedded_track(film, Track("en"))


def test_a_track_that_is_there_is_kept_unless_overwritten(
    program: Program, fake: FakeRecognizer, film: Path
) -> None:
    program(film, "--embed")
    before = film.read_bytes()
    ended = program(film, "--embed")
    assert ended.code == 0 and film.read_bytes() == before and len(fake.loads) == 1  # type: ignore[attr-defined]
    assert (
        one_line(ended.err)
        == f"{film} holds such a track already, which was kept; --overwrite replaces it."
    )
    assert program(film, "--embed", "--overwrite").code == 0 and tracks(film) == [
        "English (automatic)"
    ]
    assert program(film, "--embed", "--sdh", "--overwrite").code == 0 and len(tracks(film)) == 2


def test_files_are_written_too_where_they_are_asked_for(
    program: Program, fake: FakeRecognizer, film: Path
) -> None:
    assert program(film, "--embed", "--format", "vtt", "--burn").code == 0
    assert names_in(film.parent) == ["movie.en.vtt", "movie.mkv", "movie.subtitled.mkv"]
    assert tracks(film) == ["English (automatic)"]


def test_subtitles_that_are_there_go_into_the_film_without_a_model(
    program: Program, fake: FakeRecognizer, film: Path
) -> None:
    corrected = film.with_name("movie.en.srt")
    corrected.write_text("1\n00:00:01,000 --> 00:00:02,000\nCorrected by hand.\n")
    ended = program(film, "--embed", "--burn")
    assert ended.code == 0 and fake.loads == []  # type: ignore[attr-defined]
    assert one_line(ended.err).endswith(f"1 subtitle; taken from {corrected}.")
    assert b"Corrected by hand." in film.read_bytes()
    assert names_in(film.parent) == ["movie.en.srt", "movie.mkv", "movie.subtitled.mkv"]


def test_what_had_to_be_guessed_is_not_put_into_the_film(
    program: Program, fake: FakeRecognizer, film: Path
) -> None:
    before = film.read_bytes()
    film.with_name("movie.en.srt").write_bytes(
        "1\n00:00:01,000 --> 00:00:02,000\nCafé naïve\n".encode("cp1252")
    )
    ended = program(film, "--embed")
    assert (
        ended.code == 1 and "Windows-1252" in ended.err and "is not put into the video" in ended.err
    )
    assert film.read_bytes() == before


def test_a_copy_with_drawn_subtitles_is_no_film_of_a_folder(
    program: Program, fake: FakeRecognizer, film: Path
) -> None:
    assert program(film.parent, "--burn", "--burn-quality", "40", "--burn-style", "box").code == 0
    assert find_media(film.parent) == [film]
    ended = program(film.parent, "--burn")
    assert one_line(ended.err).endswith(
        "movie.subtitled.mkv is there already and was kept; --overwrite replaces it."
    )


def test_one_film_that_can_hold_no_track_does_not_stop_the_others(
    program: Program, fake: FakeRecognizer, film: Path
) -> None:
    make_film(film.with_name("early.wav"))
    ended = program(film.parent, "--embed", "--quiet")
    assert ended.code == 1 and "early.wav' cannot hold a subtitle track" in one_line(ended.err)
    assert len(tracks(film)) == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--embed", "-o", "-"], "nothing can go to stdout"),
        (["--burn", "--burn-quality", "60"], "burn-quality"),
        (["--burn", "--burn-style", "x'y"], "--burn-style is outline, box"),
    ],
)
def test_options_that_make_no_sense(
    options: list[str], reason: str, program: Program, fake: FakeRecognizer, film: Path
) -> None:
    ended = program(film, *options)
    assert ended.code == 2 and reason in ended.err and names_in(film.parent) == ["movie.mkv"]


def test_what_is_embedded_is_what_was_said(
    program: Program, fake: FakeRecognizer, film: Path
) -> None:
    program(film, "--embed", "--format", "srt")
    text = film.with_name("movie.en.srt").read_text()
    assert all(word in text for word in SPOKEN.split())
    first = text.split("\n")[2]
    assert first.encode() in film.read_bytes()


@pytest.mark.parametrize("given", [("--embed",), ("--burn",), ("--embed", "--burn")])
def test_where_nobody_speaks_the_film_stays_as_it_is(
    given: tuple[str, ...], program: Program, fake: FakeRecognizer, tmp_path: Path
) -> None:
    film = make_media(tmp_path / "film.mkv", noise(3, 0.001), video=3)
    before = film.read_bytes()
    ended = program(film, *given)
    assert ended.code == 0 and "film.mkv: no speech found" in one_line(ended.err)
    assert film.read_bytes() == before and not list(tmp_path.glob("*.subtitled.*"))


def test_a_sidecar_without_subtitles_changes_no_film(
    program: Program, fake: FakeRecognizer, film: Path
) -> None:
    film.with_name("movie.en.srt").write_text("")
    before = film.read_bytes()
    ended = program(film, "--embed")
    assert ended.code == 0 and film.read_bytes() == before and "no speech found" in ended.err


def test_what_can_be_known_is_said_before_the_film_is_listened_to(
    program: Program, fake: FakeRecognizer, tmp_path: Path
) -> None:
    long = make_film(tmp_path / ("c" * 249 + ".wav"))
    assert "is too long for this disk; choose a shorter one" in one_line(program(long).err)
    assert "has no picture" in one_line(program(make_film(tmp_path / "a.wav"), "--burn").err)
    assert fake.loads == [] and fake.asked == []  # type: ignore[attr-defined]


def test_of_a_name_near_the_limit_subtitles_are_written(
    program: Program, fake: FakeRecognizer, tmp_path: Path
) -> None:
    long = make_film(tmp_path / ("c" * 248 + ".wav"))
    assert program(long).code == 0 and long.with_suffix(".en.srt").exists()
