"""The picture of a film and its subtitles shows what it should, and says what it needs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from gptasr_subs.errors import UsageError
from gptasr_subs.outputs import contact_sheet as drawing
from gptasr_subs.outputs.contact_sheet import Sight, draw_preview
from gptasr_subs.types import Cue, Word
from tests.support.ended import Program, one_line
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import make_film, names_in

pytest.importorskip("PIL")

CUES = [
    Cue(1.0, 3.0, ("one two three",)),
    Cue(5.0, 6.0, ("four Five.",)),
    Cue(40.0, 41.0, ("behind the end",)),
]
WORDS = [
    Word("one", 1.0, 1.4),
    Word("two", 1.5, 1.9),
    Word("three", 2.0, 2.4),
    Word("four", 5.0, 5.4),
]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("films") / "talk.mp4")


def pixels(png: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def count(picture: np.ndarray, colour: str) -> int:
    wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return int((picture == wanted).all(-1).sum())


def test_it_shows_frames_sound_words_and_cues(film: Path) -> None:
    picture = pixels(draw_preview(film, Sight(CUES, WORDS)))
    assert picture.shape[1] == drawing._WIDTH and picture.shape[0] > 360 + 244
    assert count(picture, drawing._WAVE) > 1000
    assert count(picture, drawing._SPEECH) > 1000
    assert count(picture, drawing._CUE) > count(picture, drawing._WORD) > 50


def test_without_words_and_cues_there_is_the_timeline(film: Path) -> None:
    picture = pixels(draw_preview(film, Sight([])))
    legend = slice(-30, None)
    assert (
        count(picture[: legend.start], drawing._CUE)
        == count(picture[: legend.start], drawing._WORD)
        == 0
    )
    assert count(picture, drawing._WAVE) > 1000


def test_sound_without_a_picture_has_no_frames(film: Path, tmp_path: Path) -> None:
    sound = make_film(tmp_path / "talk.wav")
    assert len(pixels(draw_preview(sound, Sight(CUES)))) < len(
        pixels(draw_preview(film, Sight(CUES)))
    )


def test_the_command_writes_it_beside_the_film(
    program: Program, fake: FakeRecognizer, tmp_path: Path
) -> None:
    film = make_film(tmp_path / "talk.mp4")
    ended = program("preview", film, "--frames", "2", "--seconds", "8")
    assert ended.code == 0 and "talk.preview.png" in one_line(ended.err)
    assert (tmp_path / "talk.preview.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "mine.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nmine\n")
    assert program("preview", film, tmp_path / "mine.srt", "-o", tmp_path / "x.png").code == 0
    assert "x.png" in names_in(tmp_path)


def test_without_pillow_it_says_what_to_install(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(drawing, "import_module", refuse)
    with pytest.raises(UsageError, match=r"gptasr-subs\[preview\]"):
        draw_preview(film, Sight([]))
