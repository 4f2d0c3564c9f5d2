"""Several channels become one in which every voice is heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gptasr_subs.media.decode import decode_audio
from gptasr_subs.types import FloatArray
from tests.support.media_maker import (
    BEEPS,
    RATE,
    chords,
    noise,
    onsets,
    place,
    run_ffmpeg,
    speech,
    write_wav,
)


def test_several_channels_become_one(tmp_path: Path) -> None:
    sound = decode_audio(write_wav(tmp_path / "stereo.wav", BEEPS, channels=2))
    np.testing.assert_allclose(sound, BEEPS, atol=1e-4)


def panned(path: Path, layout: str, *more: str, sound: FloatArray = BEEPS) -> Path:
    """A sound whose channels are made of another one, as ffmpeg's pan writes it."""
    source = write_wav(path.with_name("source.wav"), sound)
    run_ffmpeg("-i", str(source), "-af", f"pan={layout}", *more, str(path))
    return path


OPPOSITE = [
    ("stereo|c0=c0|c1=-1*c0", "a.wav"),
    ("stereo|c0=-0.5*c0|c1=c0", "a.wav"),
    ("stereo|c0=c0|c1=-1*c0", "a.mp3"),
    ("quad|c0=c0|c1=-1*c0|c2=0*c0|c3=0*c0", "a.wav"),
    ("5.1|FL=c0|FR=-1*c0", "a.flac"),
]


@pytest.mark.parametrize(("layout", "name"), OPPOSITE)
def test_channels_that_cancel_in_their_mean_are_heard(
    layout: str, name: str, tmp_path: Path
) -> None:
    sound = decode_audio(panned(tmp_path / name, layout))
    assert onsets(sound) == pytest.approx([1, 4], abs=0.06)


@pytest.mark.parametrize(
    "layout",
    ["5.1|FC=c0", "7.1|FC=c0", "stereo|c0=c0|c1=0*c0", "stereo|c0=0*c0|c1=c0", "3.0|FC=c0"],
)
def test_a_voice_in_one_channel_is_heard_as_before(layout: str, tmp_path: Path) -> None:
    film = panned(tmp_path / "a.flac", layout)
    plain = tmp_path / "plain.wav"
    run_ffmpeg(
        "-i",
        str(film),
        "-af",
        "aresample=rematrix_maxval=1",
        "-ac",
        "1",
        "-c:a",
        "pcm_f32le",
        str(plain),
    )
    assert decode_audio(film) == pytest.approx(decode_audio(plain), abs=1e-4)


@pytest.mark.parametrize("music", [0.0, 0.03, 0.05, 0.08])  # the voice has 0.1
def test_a_voice_that_cancels_is_heard_under_music_that_does_not(
    music: float, tmp_path: Path
) -> None:
    voice = place(10, (1, speech(3)), (6, speech(3)), floor=0)
    both = np.stack([voice + music * chords(10, level=1.0), -voice + music * chords(10, level=1.0)])
    raw = tmp_path / "both.f32"
    both.T.astype("<f4").tofile(raw)
    film = tmp_path / "film.wav"
    run_ffmpeg("-f", "f32le", "-ar", str(RATE), "-ac", "2", "-i", str(raw), str(film))
    sound = decode_audio(film)
    assert max(np.corrcoef(sound, side)[0, 1] for side in both) > 0.99


def test_a_wide_mix_of_a_film_stays_the_mean(tmp_path: Path) -> None:
    voice = place(10, (1, speech(3)), (6, speech(3)), floor=0)
    both = np.stack([voice + noise(10, 0.05, seed=1), voice + noise(10, 0.05, seed=2)])
    raw = tmp_path / "both.f32"
    both.T.astype("<f4").tofile(raw)
    film = tmp_path / "film.wav"
    run_ffmpeg(
        "-f", "f32le", "-ar", str(RATE), "-ac", "2", "-i", str(raw), "-c:a", "pcm_f32le", str(film)
    )
    assert decode_audio(film) == pytest.approx(both.mean(0), abs=1e-5)
