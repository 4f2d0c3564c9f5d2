"""What a media file holds is found by any of the ways to have ffmpeg."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gptasr_subs.errors import MediaError
from gptasr_subs.media import probe as probing
from gptasr_subs.media.ffmpeg import complaint, find_ffmpeg
from gptasr_subs.media.probe import AudioTrack, MediaInfo, probe
from tests.support.media_maker import (
    Track,
    make_media,
    run_ffmpeg,
    tone,
    write_wav,
)


def test_streams_are_counted_in_the_order_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = """Input #0, mov,mp4, from 'x':
  Duration: 00:00:05.04, start: 0.000000, bitrate: 100 kb/s
  Stream group #0:0[0x6]: Track Reference:
    Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p, 128x96, 25 fps (default)
    Stream #0:3[0x6](eng): Data: none (tmcd / 0x64636D74), 0 kb/s
    Stream #0:2[0x3](fre): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, mono, fltp, 69 kb/s
  Stream #0:1[0x2](eng): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, mono, fltp (default)
"""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(
        probing,
        "run_probe",
        lambda command, path: subprocess.CompletedProcess(command, 1, "", printed),
    )
    (tmp_path / "x").write_bytes(b"x")
    assert [track.language for track in probe(tmp_path / "x").audio] == ["eng", "fre"]
    find_ffmpeg.cache_clear()


def test_probe_tells_what_is_in_a_film(tools: str, film: Path) -> None:
    info = probe(film)
    assert info.duration == pytest.approx(5, abs=0.05)
    assert info.fps == pytest.approx(29.97, abs=0.01)
    assert (info.width, info.height) == (96, 64)
    assert [(a.index, a.language, a.channels) for a in info.audio] == [
        (0, "eng", 1),
        (1, "fre", 1),
        (2, "en-US", 2),
    ]
    assert [a.default for a in info.audio] == [False, True, False]
    assert [a.commentary for a in info.audio] == [True, False, False]
    assert info.audio[0].title == "Director's commentary: part (1)"
    assert [(s.index, s.language) for s in info.subtitles] == [(0, "eng"), (1, "ger")]


def test_probe_tells_codecs(tools: str, tmp_path: Path) -> None:
    path = make_media(
        tmp_path / "a.mkv",
        tone(1),
        Track(tone(1)),
        options=["-c:a:0", "flac", "-c:a:1", "pcm_s16le"],
    )
    assert [a.codec for a in probe(path).audio] == ["flac", "pcm_s16le"]


@pytest.mark.parametrize(("layout", "channels"), [("5.1", 6), ("7.1", 8), ("quad", 4), ("3.0", 3)])
def test_probe_counts_the_channels(tools: str, tmp_path: Path, layout: str, channels: int) -> None:
    path = make_media(
        tmp_path / "a.flac",
        Track(tone(1), channels=channels),
        options=["-af", f"aformat=cl={layout}"],
    )
    assert probe(path).audio[0].channels == channels


def test_probe_of_sound_alone_has_no_picture(tools: str, beeps: Path) -> None:
    assert probe(beeps) == MediaInfo(6.0, (AudioTrack(0, "pcm_s16le", 1),))


def test_a_cover_picture_is_no_video(tools: str, tmp_path: Path) -> None:
    cover, song = tmp_path / "cover.png", tmp_path / "song.mp3"
    run_ffmpeg("-f", "lavfi", "-i", "color=red:s=32x32", "-frames:v", "1", f"file:{cover}")
    wav = write_wav(tmp_path / "song.wav", tone(1))
    marks = ["-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic"]
    run_ffmpeg("-i", f"file:{wav}", "-i", f"file:{cover}", *marks, f"file:{song}")
    info = probe(song)
    assert (info.fps, info.width, info.height) == (None, 0, 0)


@pytest.mark.parametrize(
    ("mean", "base", "even"),
    [
        ("25/1", "25/1", 25.0),
        ("30000/1001", "60000/1001", 29.97),  # fields
        ("30/1", "", 30.0),
        ("1/1", "1/1", None),
        ("1/10", "1/10", None),
        ("5/1", "5/1", None),
        ("3/5", "30/1", None),  # a desktop
        ("17/1", "60/1", None),
        ("90000/1", "90000/1", None),  # a cover
        ("1000/1", "1000/1", None),
        ("0/0", "90000/1", None),
        ("", "", None),
    ],
)
def test_a_rate_is_believed_where_the_picture_moves_evenly(
    mean: str, base: str, even: float | None
) -> None:
    video = {
        "codec_type": "video",
        "avg_frame_rate": mean,
        "r_frame_rate": base,
        "width": 64,
        "height": 48,
    }
    assert probing._media_info({"streams": [video]}).even_fps == pytest.approx(even, abs=0.01)


@pytest.mark.parametrize(("rate", "even"), [("25", True), ("1", False), ("1/4", False)])
def test_a_still_picture_has_no_even_rate(
    tools: str, tmp_path: Path, rate: str, even: bool
) -> None:
    path = tmp_path / "still.mkv"
    run_ffmpeg(
        "-f",
        "lavfi",
        "-i",
        f"color=gray:s=64x48:r={rate}:d=16",
        "-f",
        "lavfi",
        "-i",
        "sine=d=16",
        str(path),
    )
    info = probe(path)
    assert (info.even_fps is not None) == even and info.width == 64


def test_without_any_ffmpeg_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, beeps: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    find_ffmpeg.cache_clear()
    with pytest.raises(MediaError, match=r"ffmpeg is not installed; install it"):
        probe(beeps)


def test_the_telling_line_of_ffmpeg_is_told_without_addresses() -> None:
    lines = [
        "[mp4 @ 0x55aa] Could not find tag for codec pcm_s16le",
        "Error initializing output stream 0:0 --",
        "",
    ]
    assert complaint(lines) == "Could not find tag for codec pcm_s16le"
    assert complaint(["Conversion failed!"]) == "Conversion failed!" and complaint([]) == ""
