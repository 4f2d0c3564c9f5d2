"""Subtitle files are named as players expect, and only a film's own count as its own."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from gptasr_subs.media.sidecars import existing_subtitles, move_sidecars, sidecar_path, sidecars

FILM = Path("/films/Alien.1979.mkv")


def test_the_language_follows_the_base() -> None:
    assert sidecar_path(FILM, "en", "srt") == Path("/films/Alien.1979.en.srt")
    assert sidecar_path(FILM, "en", ".vtt") == Path("/films/Alien.1979.en.vtt")


def test_the_language_is_written_as_players_expect() -> None:
    for tag, written in [
        ("eng", "en"),
        ("GER", "de"),
        ("en-US", "en-US"),
        ("pt_BR", "pt-BR"),
        ("haw", "haw"),
    ]:
        assert sidecar_path(FILM, tag, "srt").name == f"Alien.1979.{written}.srt"


def test_flags_follow_the_language() -> None:
    assert sidecar_path(FILM, "en", "srt", sdh=True).name == "Alien.1979.en.sdh.srt"
    assert sidecar_path(FILM, "de", "srt", forced=True).name == "Alien.1979.de.forced.srt"


def test_a_folder_may_be_given() -> None:
    assert sidecar_path(FILM, "en", "srt", directory=Path("/out")) == Path("/out/Alien.1979.en.srt")


def test_a_sidecar_is_found_again(tmp_path: Path) -> None:
    media = tmp_path / "100% [1] *.mkv"
    written = [sidecar_path(media, "en", "srt"), sidecar_path(media, "en", "vtt", sdh=True)]
    for path in written:
        path.touch()
    assert existing_subtitles(media, "en") == sorted(written)


@pytest.mark.parametrize(
    "name",
    [
        "S01E1.en.srt",
        "S01E1.eng.srt",
        "S01E1.EN.SRT",
        "S01E1.en-US.vtt",
        "S01E1.English.ass",
        "S01E1.en.hi.default.srt",
    ],
)
def test_counts(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert existing_subtitles(tmp_path / "S01E1.mkv", "en") == [tmp_path / name]


@pytest.mark.parametrize(
    "name",
    [
        "S01E10.en.srt",  # another film
        "S01E1.en.en.srt",  # that of "S01E1.en.mkv"
        "S01E1.de.srt",
        "S01E1.srt",  # of no language
        "S01E1.en.txt",
        "S01E1.en",
        "S01E1.en.forced.srt",
        "s01e1.en.srt",
        "S01E1 en.srt",
        "S01E1.mkv",
    ],
)
def test_does_not_count(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert existing_subtitles(tmp_path / "S01E1.mkv", "en") == []


def test_forced_subtitles_are_asked_for_alone(tmp_path: Path) -> None:
    for name in ("a.en.srt", "a.en.forced.srt"):
        (tmp_path / name).touch()
    assert existing_subtitles(tmp_path / "a.mkv", "en", forced=True) == [
        tmp_path / "a.en.forced.srt"
    ]


def test_another_folder_may_be_searched(tmp_path: Path) -> None:
    (tmp_path / "Alien.1979.en.srt").touch()
    assert existing_subtitles(FILM, "en", directory=tmp_path) == [tmp_path / "Alien.1979.en.srt"]
    assert existing_subtitles(tmp_path / "none" / "a.mkv", "en") == []


@pytest.mark.parametrize(
    "name", ["a.srt", "a.en.srt", "a.pt-BR.forced.vtt", "a.de.sdh.ass", "a.english.srt"]
)
def test_every_sidecar_follows_its_film(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(name)
    assert move_sidecars(tmp_path / "a.mkv", tmp_path / "b.c.mkv") == [tmp_path / f"b.c{name[1:]}"]
    assert [path.name for path in tmp_path.iterdir()] == [f"b.c{name[1:]}"]


def test_a_sidecar_whose_new_name_is_taken_stays_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("b.en.srt", "b.en.sdh.vtt", "c.en.srt"):
        (tmp_path / name).write_text(name)
    assert move_sidecars(tmp_path / "b.wav", tmp_path / "c.wav") == [tmp_path / "c.en.sdh.vtt"]
    assert (tmp_path / "b.en.srt").exists() and (tmp_path / "c.en.srt").read_text() == "c.en.srt"
    assert "c.en.srt' is there already" in caplog.text


def test_sidecars_that_cannot_follow_stay_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.en.srt").touch()
    assert move_sidecars(tmp_path / "a.mkv", tmp_path / "gone" / "a.mkv") == []
    assert (tmp_path / "a.en.srt").exists() and "could not follow its video" in caplog.text


@pytest.mark.parametrize("name", ["a.nfo", "ab.en.srt", "a.part two.srt", "a.en.de.srt", "a.mkv"])
def test_what_is_no_sidecar_stays(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert (
        sidecars(tmp_path / "a.mkv") == move_sidecars(tmp_path / "a.mkv", tmp_path / "b.mkv") == []
    )


def test_letters_composed_or_not_are_the_same_name(tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize("NFD", "Amélie.en.srt")).touch()
    assert len(existing_subtitles(tmp_path / unicodedata.normalize("NFC", "Amélie.mkv"), "en")) == 1
