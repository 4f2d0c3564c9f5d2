"""Text is in the picture while its cue lasts and at no other time, whatever the file is called."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from gptasr_subs.errors import MediaError
from gptasr_subs.media.ffmpeg import find_ffmpeg
from gptasr_subs.media.probe import probe
from gptasr_subs.outputs.burning import burn, burned_path
from gptasr_subs.types import Cue
from tests.support.films import names_in
from tests.support.media_maker import make_media, run_ffmpeg, tone

WIDTH, HEIGHT = 640, 360
CUES = [Cue(1.0, 2.0, ("Hello,", "it's 100% here"))]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Three seconds of black, with sound."""
    sound = make_media(tmp_path / "sound.m4a", tone(3))
    path = tmp_path / "a film"
    path.mkdir()
    path /= "it's \"100%\": [é], 'x';.mp4"
    black = ["-f", "lavfi", "-i", f"color=black:s={WIDTH}x{HEIGHT}:r=10:d=3"]
    run_ffmpeg(*black, "-i", str(sound), "-c:a", "copy", f"file:{path}")
    return path


def lit(path: Path, seconds: float) -> tuple[float, float]:
    """The share of bright pixels in the upper and the lower half of a picture."""
    command = [find_ffmpeg(), "-v", "error", "-i", f"file:{path}", "-ss", str(seconds), "-frames:v", "1"]
    done = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "gray", "-"], check=True, capture_output=True)
    picture = np.frombuffer(done.stdout, np.uint8).reshape(HEIGHT, WIDTH) > 128
    return float(picture[: HEIGHT // 2].mean()), float(picture[HEIGHT // 2 :].mean())


def sound_hash(path: Path) -> bytes:
    command = [find_ffmpeg(), "-v", "error", "-i", f"file:{path}", "-map", "0:a", "-c", "copy", "-f", "hash", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.parametrize("style", ["outline", "box", "Fontsize=24,PrimaryColour=&H00FFFF&"])
def test_text_is_drawn_below_while_the_cue_lasts_and_the_sound_is_copied(style: str, film: Path) -> None:
    target, heard = burned_path(film), []
    burn(film, CUES, target, style=style, on_progress=lambda done, total: heard.append((done, total)))
    assert target.name == film.stem + ".subtitled.mp4"
    assert lit(target, 0.5) == lit(target, 2.5) == (0.0, 0.0)
    above, below = lit(target, 1.5)
    assert above == 0.0 and 0.002 < below < 0.3
    assert sound_hash(target) == sound_hash(film)
    assert heard and heard[-1] == pytest.approx((3.0, 3.0), abs=0.2)
    assert names_in(film.parent) == sorted([film.name, target.name])


def test_quality_decides_the_size(film: Path, tmp_path: Path) -> None:
    noisy = make_media(tmp_path / "noisy.mkv", tone(1), video=1, size="320x180")
    for quality in (10, 40):
        burn(noisy, CUES, tmp_path / f"{quality}.mkv", quality=quality)
    assert (tmp_path / "10.mkv").stat().st_size > 1.5 * (tmp_path / "40.mkv").stat().st_size


def test_other_containers_become_mkv(tmp_path: Path) -> None:
    film = make_media(tmp_path / "film.webm", tone(1), video=1)
    assert burned_path(film, tmp_path / "out") == tmp_path / "out" / "film.subtitled.mkv"
    burn(film, CUES, burned_path(film))
    assert probe(tmp_path / "film.subtitled.mkv").audio[0].codec == probe(film).audio[0].codec


def test_failures_are_one_sentence_and_leave_nothing(film: Path, tmp_path: Path) -> None:
    sound = make_media(tmp_path / "only.m4a", tone(1))
    with pytest.raises(MediaError, match=r"only.m4a' has no picture"):
        burn(sound, CUES, tmp_path / "x.mp4")
    with pytest.raises(MediaError, match="check --burn-style"):
        burn(film, CUES, film.with_name("x.mp4"), style="Fontsize=20',nosuchfilter=x='")
    assert names_in(film.parent) == [film.name]
