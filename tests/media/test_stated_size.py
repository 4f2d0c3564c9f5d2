"""A header that tells less than the file holds costs nothing, or is named."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from gptasr_subs.errors import MediaError
from gptasr_subs.media.decode import decode_audio, decode_blocks
from gptasr_subs.media.probe import probe
from tests.support.media_maker import BEEPS, RATE, make_media, onsets

WAVE_SIZES = [0, 1, 1001, 2000, 0xFFFFFFFF, 2 * len(BEEPS) + 1_000_000]
LONG = len(BEEPS) / RATE


def edit(path: Path, after: bytes, offset: int, value: bytes) -> Path:
    """Write ``value`` at ``offset`` bytes behind the begin of ``after``."""
    data = bytearray(path.read_bytes())
    place = data.index(after) + offset
    data[place : place + len(value)] = value
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("size", WAVE_SIZES)
def test_a_wave_file_is_read_whole_whatever_its_header_says(
    size: int, tools: str, tmp_path: Path
) -> None:
    wave = make_media(tmp_path / "a.wav", BEEPS)
    edit(wave, b"data", 4, struct.pack("<I", size))
    edit(wave, b"RIFF", 4, struct.pack("<I", size))
    audio = decode_audio(wave)
    assert len(audio) == pytest.approx(len(BEEPS), abs=RATE // 100)
    assert onsets(audio) == pytest.approx([1, 4], abs=0.01)
    assert not 0 < probe(wave).duration < LONG - 0.1  # nothing is too short by such a length
    later = np.concatenate(list(decode_blocks(wave, start=3.0)))
    assert onsets(later) == pytest.approx([1], abs=0.01)


def test_a_wave_file_that_was_cut_or_described_is_read(tmp_path: Path) -> None:
    described = make_media(tmp_path / "a.wav", BEEPS, options=["-write_bext", "1"])
    assert onsets(decode_audio(described)) == pytest.approx([1, 4], abs=0.01)
    data = described.read_bytes()
    described.write_bytes(data[: len(data) // 2 + 1])  # amid a sample
    assert onsets(decode_audio(described)) == pytest.approx([1], abs=0.01)


@pytest.mark.parametrize("size", [0, 1000, 1 << 40])
def test_a_wave_file_of_long_sizes_is_read_whole(size: int, tmp_path: Path) -> None:
    wave = make_media(tmp_path / "a.wav", BEEPS, options=["-rf64", "always"])
    edit(wave, b"ds64", 8, struct.pack("<QQQ", size, size, size // 2))
    assert onsets(decode_audio(wave)) == pytest.approx([1, 4], abs=0.01)


def test_what_follows_the_audio_is_not_heard(tmp_path: Path) -> None:
    """A list of tags, as programs write it behind the audio, with a picture in it."""
    wave = make_media(tmp_path / "a.wav", BEEPS)
    tags = np.random.default_rng(1).bytes(100_000)
    wave.write_bytes(wave.read_bytes() + b"LIST" + struct.pack("<I", len(tags)) + tags)
    assert len(decode_audio(wave)) == pytest.approx(len(BEEPS), abs=RATE // 100)
    assert probe(wave).duration == pytest.approx(LONG, abs=0.01)


@pytest.mark.parametrize(
    ("name", "edits"),
    [
        ("a.aiff", [(b"SSND", 4, struct.pack(">I", 1008))]),
        ("a.caf", [(b"data", 4, struct.pack(">Q", 1004))]),
        ("a.wma", [(b"6&\xb2\x75", 16, struct.pack("<Q", 4000))]),
    ],
)
def test_what_cannot_be_read_whole_is_named(
    name: str,
    edits: list[tuple[bytes, int, bytes]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = make_media(tmp_path / name, BEEPS, options=["-b:a", "192k"])
    assert onsets(decode_audio(whole)) == pytest.approx([1, 4], abs=0.06)
    assert "header" not in caplog.text
    for after, offset, value in edits:
        edit(whole, after, offset, value)
    assert len(decode_audio(whole)) < RATE
    assert f"{name}' holds more than its header says, and only that is read; mend" in caplog.text
    assert probe(whole).duration == 0  # not known


def test_what_is_refused_for_its_header_is_named(tools: str, tmp_path: Path) -> None:
    wave = make_media(tmp_path / "a.w64", BEEPS)
    assert onsets(decode_audio(wave)) == pytest.approx([1, 4], abs=0.01)
    edit(wave, b"data\xf3", 16, struct.pack("<Q", 0))
    with pytest.raises(MediaError, match=r"can read: it holds more than its header says; mend its"):
        decode_audio(wave)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mka", "a.flac", "a.flv", "a.avi"])
def test_a_length_that_is_too_short_cuts_nothing_off(name: str, tmp_path: Path) -> None:
    codec = ["-c:a", "aac"] if name == "a.flv" else []  # its own knows no such sample rate
    media = make_media(tmp_path / name, BEEPS, options=codec)
    one_second = {
        ".mp4": [(b"mvhd", 20, ">I", 1000), (b"tkhd", 24, ">I", 1000), (b"mdhd", 20, ">I", RATE)],
        ".mov": [(b"mvhd", 20, ">I", 1000), (b"tkhd", 24, ">I", 1000), (b"mdhd", 20, ">I", RATE)],
        ".mka": [(b"\x44\x89\x88", 3, ">d", 1000.0)],
        ".flac": [(b"fLaC", 22, ">I", RATE)],
        ".flv": [(b"duration", 9, ">d", 1.0)],
        ".avi": [(b"movi", -4, "<I", 2000), (b"auds", 32, "<I", 5)],
    }
    before = onsets(decode_audio(media))
    for after, offset, form, value in one_second[media.suffix]:
        edit(media, after, offset, struct.pack(form, value))
    assert onsets(decode_audio(media)) == pytest.approx(before, abs=0.01)
    assert before == pytest.approx([1, 4], abs=0.1)  # some encoders begin with a frame of silence
