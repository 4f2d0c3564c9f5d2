"""Ways to have ffmpeg, and media that several tests read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.media_maker import (
    BEEPS,
    Track,
    make_media,
    tone,
    write_wav,
)


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
