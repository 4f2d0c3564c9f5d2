"""Ways to have ffmpeg, and media that several tests read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gptasr_subs.media.ffmpeg import find_ffmpeg
from tests.support.media_maker import (
    BEEPS,
    Track,
    make_media,
    tone,
    write_wav,
)


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


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sound tracks, two subtitle tracks and a picture."""
    tracks = (
        Track(tone(2), language="eng", title="Director's commentary: part (1)", marks="comment"),
        Track(tone(2, 880), language="fre", marks="default"),
        Track(tone(2, 220), language="en-US", channels=2),
    )
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    return make_media(
        path, *tracks, video=5, fps="30000/1001", size="96x64", subtitles=["eng", "ger"]
    )


@pytest.fixture(scope="module")
def beeps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wav(tmp_path_factory.mktemp("beeps") / "beeps.wav", BEEPS)
