"""Which of several audio tracks is taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gptasr_subs.errors import MediaError
from gptasr_subs.media.decode import decode_audio
from gptasr_subs.media.probe import AudioTrack, MediaInfo, choose_track, probe
from tests.support.media_maker import (
    RATE,
    Track,
    make_media,
    tone,
)


@pytest.mark.parametrize(
    ("track", "hertz"), [(0, 440), (1, 880), ("2", 220), ("fr", 880), (None, 220)]
)
def test_the_track_asked_for_is_decoded(
    tools: str, film: Path, track: int | str | None, hertz: float
) -> None:
    sound = decode_audio(film, track=track)[RATE // 2 : RATE // 2 + RATE]
    assert np.argmax(np.abs(np.fft.rfft(sound))) == pytest.approx(hertz, abs=1)


def tracks(*languages: str) -> MediaInfo:
    return MediaInfo(
        1.0,
        tuple(AudioTrack(index, "aac", 2, language) for index, language in enumerate(languages)),
    )


@pytest.mark.parametrize("wanted", ["en", "eng", "EN", "en-GB", "en_US"])
def test_a_language_is_found_by_any_of_its_codes(wanted: str) -> None:
    assert choose_track(tracks("fra", "eng"), wanted) == 1
    assert choose_track(tracks("", "en"), wanted) == 1


def test_of_two_tracks_of_a_language_the_first_is_taken() -> None:
    assert choose_track(tracks("ger", "eng", "eng"), "en") == 1


def test_commentary_is_taken_only_if_asked_for_or_alone() -> None:
    talk = AudioTrack(0, "aac", 2, "eng", default=True, commentary=True)
    assert choose_track(MediaInfo(1.0, (talk, AudioTrack(1, "aac", 2, "eng"))), None) == 1
    assert choose_track(MediaInfo(1.0, (talk, AudioTrack(1, "aac", 2, "eng"))), "en") == 1
    assert choose_track(MediaInfo(1.0, (talk, AudioTrack(1, "aac", 2, "eng"))), 0) == 0
    assert choose_track(MediaInfo(1.0, (talk,)), None) == 0


def test_without_a_wish_the_default_track_is_taken_else_the_first() -> None:
    assert choose_track(tracks("ger", "eng"), None, "fr") == 0
    assert (
        choose_track(
            MediaInfo(1.0, (*tracks("ger").audio, AudioTrack(1, "aac", 2, default=True))), None
        )
        == 1
    )


def test_the_language_of_the_model_goes_before_the_default() -> None:
    def chosen(*languages: str, language: str = "en") -> int:
        audio = (AudioTrack(i, "aac", 2, tag, default=i == 0) for i, tag in enumerate(languages))
        return choose_track(MediaInfo(1.0, tuple(audio)), None, language)

    assert chosen("ger", "eng") == 1
    assert chosen("ger", "eng", language="de") == 0
    assert chosen("ger", "", "fre") == 1
    assert chosen("", "eng") == 1
    assert chosen("ger", "fre") == 0


ASIDE = [
    "English (Audio Description)",
    "Audiodeskription",
    "Audiodescripción",
    "English AD",
    "Descriptive Audio",
    "Hörfilm",
    "Audiodescrizione",
    "Director's Comments",
    "Kommentar",
    "Commentaire du réalisateur",
    "Comentario del director",
    "Isolated Score",
]


@pytest.mark.parametrize("title", ASIDE)
def test_titles_say_what_is_about_the_film_or_without_voices(title: str, tmp_path: Path) -> None:
    first = Track(tone(1), "eng", title, marks="default")
    film = make_media(tmp_path / "film.mkv", first, Track(tone(1), "eng", "English 5.1"))
    assert choose_track(probe(film), None) == 1


@pytest.mark.parametrize(
    "title", ["English", "Stereo", "Ad hoc mix", "Descent", "Surround 5.1", "Command Cut", "Adagio"]
)
def test_other_titles_do_not(title: str, tmp_path: Path) -> None:
    first = Track(tone(1), "eng", title, marks="default")
    assert (
        choose_track(probe(make_media(tmp_path / "film.mkv", first, Track(tone(1), "eng"))), None)
        == 0
    )


def test_a_title_tells_the_language_where_no_tag_does(tmp_path: Path) -> None:
    film = make_media(
        tmp_path / "film.mkv",
        Track(tone(1), title="Deutsch German 2.0"),
        Track(tone(1), title="English"),
    )
    assert [track.language for track in probe(film).audio] == ["de", "en"]
    assert choose_track(probe(film), None) == 1


@pytest.mark.parametrize("wanted", [2, "2", "-1", "fr", "und", ""])
def test_a_missing_track_is_refused_with_those_there_are(
    wanted: int | str,
) -> None:
    with pytest.raises(
        MediaError, match=r"--audio-track from: 0: eng, aac; 1: language unknown, aac\."
    ):
        choose_track(tracks("eng", ""), wanted)
