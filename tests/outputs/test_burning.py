"""Text is in the picture while its cue lasts and at no other time, whatever the file is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gptasr_subs.errors import MediaError
from gptasr_subs.media.probe import probe
from gptasr_subs.outputs import burning
from gptasr_subs.outputs.burning import burn, burned_path
from gptasr_subs.types import Cue
from tests.support.films import names_in
from tests.support.media_maker import make_media, read_with_ffmpeg, run_ffmpeg, tone, turn

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
    one = ["-ss", str(seconds), "-frames:v", "1"]
    pixels = read_with_ffmpeg(path, *one, "-f", "rawvideo", "-pix_fmt", "gray")
    picture = np.frombuffer(pixels, np.uint8).reshape(HEIGHT, WIDTH) > 128
    return float(picture[: HEIGHT // 2].mean()), float(picture[HEIGHT // 2 :].mean())


def sound_hash(path: Path) -> bytes:
    return read_with_ffmpeg(path, "-map", "0:a", "-c", "copy", "-f", "hash")


@pytest.mark.parametrize("style", ["outline", "box", "Fontsize=24,PrimaryColour=&H00FFFF&"])
def test_text_is_drawn_while_the_cue_lasts_and_audio_copied(style: str, film: Path) -> None:
    target, progress = burned_path(film), []
    burn(
        film,
        CUES,
        target,
        style=style,
        on_progress=lambda done, total: progress.append((done, total)),
    )
    assert target.name == film.stem + ".subtitled.mp4"
    assert lit(target, 0.5) == lit(target, 2.5) == (0.0, 0.0)
    above, below = lit(target, 1.5)
    assert above == 0.0 and 0.002 < below < 0.3
    assert sound_hash(target) == sound_hash(film)
    assert progress and progress[-1] == pytest.approx((3.0, 3.0), abs=0.2)
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


@pytest.mark.parametrize("size", ["321x181", "322x181", "321x180"])
def test_pictures_of_odd_size_get_a_copy(size: str, tmp_path: Path) -> None:
    film = make_media(tmp_path / "film.mkv", tone(1), video=1, size=size, options=["-c:v", "ffv1"])
    burn(film, [Cue(0.2, 0.8, ("Hello",))], burned_path(film))
    info = probe(burned_path(film))
    width, height = map(int, size.split("x"))
    assert (info.width, info.height) == (width + width % 2, height + height % 2)


CAMERAS = [
    ("camera.mov", ["-c:a", "pcm_s16le"], "pcm_s16le"),
    ("camera.mov", ["-c:a", "pcm_s24be"], "pcm_s24be"),
    ("film.mp4", ["-c:a", "flac", "-strict", "-2"], "flac"),
    ("film.avi", ["-c:a", "pcm_u8"], "pcm_u8"),
]


@pytest.mark.parametrize(("name", "options", "codec"), CAMERAS)
def test_the_audio_of_cameras_is_copied(
    name: str, options: list[str], codec: str, tmp_path: Path
) -> None:
    film = make_media(tmp_path / name, tone(1), video=1, options=options)
    burn(film, [Cue(0.2, 0.8, ("Hello",))], burned_path(film))
    assert probe(burned_path(film)).audio[0].codec == codec
    assert sound_hash(burned_path(film)) == sound_hash(film)


def test_audio_that_the_container_does_not_take_stays_without_loss(tmp_path: Path) -> None:
    film = make_media(
        tmp_path / "film.mkv", tone(1), tone(1), video=1, options=["-c:a", "pcm_s16le"]
    )
    target = tmp_path / "film.subtitled.mp4"
    burn(film, [Cue(0.2, 0.8, ("Hello",))], target)
    assert [track.codec for track in probe(target).audio] == ["alac", "alac"]


def test_the_size_of_the_text_follows_the_picture_as_it_is_seen(tmp_path: Path) -> None:
    def fields(name: str, *options: str, size: str) -> str:
        film = make_media(tmp_path / name, tone(1), video=1, size=size, options=options)
        return burning.ass_style("outline", probe(film))

    upright = fields("upright.mp4", size="360x640")
    wide = fields("wide.mp4", size="640x360")
    assert upright != wide
    turned = make_media(tmp_path / "turned.mp4", tone(1), video=1, size="640x360")
    turn(turned)
    assert burning.ass_style("outline", probe(turned)) == upright
    copy = burned_path(turned)
    burn(turned, [Cue(0.2, 0.8, ("Hello",))], copy)
    assert (probe(copy).width, probe(copy).height) == (360, 640)
    assert fields("anamorphic.mkv", "-vf", "setsar=1/3", size="1080x640") == upright


def test_without_subtitles_there_is_nothing_to_draw(film: Path) -> None:
    with pytest.raises(MediaError, match="there is no speech"):
        burn(film, [], film.with_name("x.mp4"))
