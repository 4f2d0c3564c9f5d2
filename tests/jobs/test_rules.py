"""Which films are skipped, and that one is told why by the code that decides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gptasr_subs.errors import MediaError, UsageError
from gptasr_subs.jobs.rules import RULES, Candidate, Limits, check_rules, decide, parse_limits
from gptasr_subs.pipeline.options import Options
from tests.support.ended import Program
from tests.support.films import make_film
from tests.support.media_maker import Track, make_media, tone

MIB = 1 << 20


@pytest.fixture
def film(tmp_path: Path) -> Candidate:
    return Candidate(make_film(tmp_path / "S01E1.mkv"))


def decided(film: Candidate) -> str:
    verdict = decide(film)
    return "" if verdict.passed else verdict.rule


def test_a_plain_film_passes_all_rules_in_order(film: Candidate) -> None:
    assert [verdict.rule for verdict in check_rules(film)] == list(RULES)
    assert decided(film) == ""


@pytest.mark.parametrize(
    "name", ["S01E1.en.srt", "S01E1.eng.vtt", "S01E1.en.sdh.srt", "S01E1.en-US.ass"]
)
def test_subtitles_in_the_language_skip_the_film_unless_overwritten(
    name: str, film: Candidate
) -> None:
    film.path.with_name(name).write_text("")
    assert decided(film) == "subtitle file" and repr(name) in decide(film).reason
    assert decided(Candidate(film.path, Options(overwrite=True))) == ""


@pytest.mark.parametrize(
    "name", ["S01E10.en.srt", "S01E1.de.srt", "S01E1.srt", "S01E1.en.forced.srt", "S01E1.en.txt"]
)
def test_those_of_another_film_language_or_kind_do_not(name: str, film: Candidate) -> None:
    film.path.with_name(name).write_text("")
    assert decided(film) == ""


def test_forced_subtitles_count_where_forced_ones_are_asked_for(film: Candidate) -> None:
    film.path.with_name("S01E1.en.forced.srt").write_text("")
    assert decided(Candidate(film.path, Options(forced=True))) == "subtitle file"


def test_a_text_track_in_the_language_skips_it(tmp_path: Path) -> None:
    sound = tone(1.0)
    assert (
        decided(Candidate(make_media(tmp_path / "a.mkv", sound, subtitles=["eng"]))) == "text track"
    )
    assert decided(Candidate(make_media(tmp_path / "b.mkv", sound, subtitles=["ger"]))) == ""
    assert decided(Candidate(tmp_path / "a.mkv", Options(overwrite=True))) == ""


def test_only_films_with_sound_in_the_language(tmp_path: Path) -> None:
    sound = tone(1.0)
    two = make_media(tmp_path / "a.mkv", Track(sound, "ger"), Track(sound, "eng"))
    other = make_media(tmp_path / "b.mkv", Track(sound, "ger"))
    unknown = make_media(tmp_path / "c.mkv", sound)
    limits = Limits(audio="en")
    asked = Candidate(two, Options(audio_track=0), limits=limits)
    assert decided(asked) == "spoken language"  # the track that is listened to counts, not any
    described = make_media(
        tmp_path / "d.mkv", Track(sound, "ger"), Track(sound, "eng", "Audio Description")
    )
    assert decided(Candidate(described, limits=limits)) == "spoken language"
    assert [decided(Candidate(path, limits=limits)) for path in (two, other, unknown)] == [
        "",
        *["spoken language"] * 2,
    ]
    assert (
        "de" in decide(Candidate(other, limits=limits)).reason
        or "ger" in decide(Candidate(other, limits=limits)).reason
    )


def test_limits_of_length_and_size(film: Candidate) -> None:  # 8 s
    assert decided(replace(film, limits=Limits(min_seconds=9))) == "length"
    assert decided(replace(film, limits=Limits(max_seconds=7))) == "length"
    assert decided(replace(film, limits=Limits(min_seconds=7, max_seconds=9))) == ""
    size = film.path.stat().st_size
    assert decided(replace(film, limits=Limits(min_bytes=size + 1))) == "size"
    assert decided(replace(film, limits=Limits(max_bytes=size - 1))) == "size"
    assert decided(replace(film, limits=Limits(min_bytes=size, max_bytes=size))) == ""


def test_limits_are_ranges() -> None:
    assert parse_limits("en", "5-240", "-2") == Limits("en", 300.0, 14400.0, 0, 2.0 * MIB)
    assert parse_limits(length="0.5-") == Limits(min_seconds=30.0)
    for text in ("5", "x-", "9-5", "-5-"):
        with pytest.raises(UsageError, match="is no range"):
            parse_limits(length=text)


@pytest.mark.parametrize(
    ("lines", "skipped"),
    [
        ("*.mkv", True),
        ("extras/", True),
        ("/films/extras/*", True),
        ("*.mkv\n!talk.mkv", False),
        ("# talk.mkv\n\n", False),
        ("/talk.mkv", False),
    ],
)
def test_an_ignore_file_has_the_syntax_of_git(lines: str, skipped: bool, tmp_path: Path) -> None:
    (tmp_path / "films" / "extras").mkdir(parents=True)
    film = Candidate(make_film(tmp_path / "films" / "extras" / "talk.mkv"))
    (tmp_path / ".gptasrignore").write_text(lines)
    assert decided(film) == ("ignore file" if skipped else "")


def test_the_ignore_file_that_is_nearer_has_the_last_word(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    film = Candidate(make_film(tmp_path / "films" / "talk.mkv"))
    (tmp_path / ".gptasrignore").write_text("*.mkv")
    (tmp_path / "films" / ".gptasrignore").write_text("!talk.mkv")
    assert decided(film) == ""


def test_our_own_copies_with_text_in_the_picture_are_no_films(tmp_path: Path) -> None:
    assert decided(Candidate(make_film(tmp_path / "talk.subtitled.mp4"))) == "own output"


def test_what_is_no_media_is_an_error_and_not_a_verdict(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_text("text")
    with pytest.raises(MediaError):
        decide(Candidate(tmp_path / "a.mkv"))


def test_explain_says_what_would_happen_and_which_rule_decided(
    program: Program, film: Candidate
) -> None:
    ended = program("explain", film.path)
    target = film.path.with_name("S01E1.en.srt")
    assert (
        ended.code == 0
        and ended.out.splitlines()[-1] == f"{film.path} would get subtitles: {target}"
    )
    ended = program("explain", film.path, "--length", "5-")
    assert (
        "the rule 'length' decided: it lasts 8 s, less than the 300 s asked for."
        in ended.out.splitlines()[-1]
    )
    assert len(ended.out.splitlines()) == len(RULES) + 1
    assert program("explain", film.path.with_name("nix.mkv")).code == 1
    assert program("explain", film.path, "--length", "5").code == 2


@pytest.mark.parametrize(
    "name", ["film.temp.mkv", "film.mkv.part", ".film.mkv", "#recycle/film.mkv", "notes.txt"]
)
def test_explain_knows_what_a_watch_leaves_alone_by_name(
    name: str, program: Program, tmp_path: Path
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    make_film(tmp_path / "a.mkv").rename(tmp_path / name)
    ended = program("explain", tmp_path / name)
    assert "would be skipped; the rule 'name' decided: " in ended.out


def test_explain_lets_a_title_pass(program: Program, tmp_path: Path) -> None:
    ended = program("explain", make_film(tmp_path / "Dune.Part.Two.2024.mkv"))
    assert "passed: name: " in ended.out and "would get subtitles" in ended.out
