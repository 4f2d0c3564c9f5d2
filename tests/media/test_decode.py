"""Audio is decoded on the player's timeline, in blocks, and no process is left behind."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptasr_subs.media import decode
from gptasr_subs.media.decode import decode_audio, decode_blocks
from gptasr_subs.media.patience import Patience
from gptasr_subs.media.probe import probe
from tests.support.media_maker import (
    BEEPS,
    RATE,
    Track,
    cut_hole,
    make_media,
    onsets,
    place,
    run_ffmpeg,
    tone,
    write_wav,
)

# s; what lossy codecs put before the sound, which players do not take away either
CODEC_DELAY = 0.03


@pytest.mark.parametrize("extension", ["mkv", "mp4", "mov", "ts", "m2ts", "mpg"])
def test_sound_that_starts_late_comes_after_silence(
    tools: str, tmp_path: Path, extension: str
) -> None:
    path = make_media(tmp_path / f"late.{extension}", Track(tone(2), late=3.0), video=6)
    sound = decode_audio(path)
    assert onsets(sound)[0] == pytest.approx(3.0, abs=CODEC_DELAY)


def test_late_sound_alone_begins_at_once(tools: str, tmp_path: Path) -> None:
    """As players show it: no picture tells that there was anything before."""
    path = make_media(tmp_path / "late.mka", Track(tone(2), late=3.0))
    assert onsets(decode_audio(path))[0] == pytest.approx(0.0, abs=CODEC_DELAY)


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv"])
def test_sound_before_the_cut_of_a_film_is_not_heard(
    tools: str, tmp_path: Path, extension: str
) -> None:
    """What is copied from amid a group of pictures on begins with a part that is hidden."""
    sound = place(8, (1, tone(0.5)), (2.8, tone(0.3)), (5, tone(0.5)), floor=0)
    whole = make_media(tmp_path / f"whole.{extension}", sound, video=8, options=["-g", "100"])
    film = tmp_path / f"film.{extension}"
    run_ffmpeg("-ss", "3.3", "-i", str(whole), "-c", "copy", str(film))
    shown = tmp_path / "shown.wav"
    run_ffmpeg("-i", str(film), "-map", "0:a", "-af", "aresample=async=1:first_pts=0", str(shown))
    assert onsets(decode_audio(film)) == pytest.approx(onsets(decode_audio(shown)), abs=0.03)
    if extension != "mkv":  # which has no edit list and shows what comes before
        assert onsets(decode_audio(film)) == pytest.approx([1.7], abs=0.05)


@pytest.mark.parametrize(("kept", "expected"), [(1.0, [1.0, 4.0]), (0.5, [1.0])])
def test_a_film_in_fragments_is_decoded_as_far_as_it_goes(
    kept: float, expected: list[float], tmp_path: Path
) -> None:
    film = tmp_path / "film.mp4"
    fragments = ["-g", "25", "-ar", "48000", "-movflags", "frag_keyframe+empty_moov"]
    make_media(film, BEEPS, video=6, options=fragments)
    film.write_bytes(film.read_bytes()[: int(kept * film.stat().st_size)])
    assert onsets(decode_audio(film)) == pytest.approx(expected, abs=CODEC_DELAY)


def test_the_silence_before_late_sound_is_exact(tools: str, tmp_path: Path) -> None:
    path = make_media(
        tmp_path / "late.mkv", Track(tone(2), late=3.0), video=6, options=["-c:a", "pcm_s16le"]
    )
    sound = decode_audio(path)
    assert onsets(sound)[0] == pytest.approx(3.0, abs=0.001)
    assert not sound[: round(2.99 * RATE)].any()


def test_sound_that_starts_so_late_that_ffmpeg_would_not_look_for_it(
    tools: str, tmp_path: Path
) -> None:
    path = make_media(tmp_path / "late.ts", Track(tone(2), late=12.0), video=15)
    assert onsets(decode_audio(path))[0] == pytest.approx(12.0, abs=CODEC_DELAY)


def test_a_hole_is_kept_as_silence(tools: str, tmp_path: Path, beeps: Path) -> None:
    path = cut_hole(beeps, tmp_path / "hole.mkv", 2.0, 3.5)
    sound = decode_audio(path)
    assert onsets(sound) == pytest.approx([1.0, 4.0], abs=0.005)
    assert len(sound) / RATE == pytest.approx(6.0, abs=0.01)


@pytest.mark.parametrize("extension", ["wav", "flac", "mkv", "mp3", "m4a", "ts"])
@pytest.mark.parametrize("start", [0.5, 2.25])
def test_decoding_from_a_start_continues_the_timeline(
    beeps: Path, tmp_path: Path, extension: str, start: float
) -> None:
    path = tmp_path / f"beeps.{extension}"
    run_ffmpeg("-i", f"file:{beeps}", f"file:{path}")
    rest = np.concatenate(list(decode_blocks(path, start=start)))
    expected = [onset - start for onset in onsets(decode_audio(path)) if onset > start]
    assert onsets(rest) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("extension", ["mkv", "mp4", "ts"])
@pytest.mark.parametrize("start", [1.0, 4.0])
def test_a_start_in_a_film_with_late_sound(
    tools: str, tmp_path: Path, extension: str, start: float
) -> None:
    sound = place(4, (0, tone(0.5)), (3, tone(0.5)), floor=0)  # heard at 3 and 6 s
    path = make_media(tmp_path / f"late.{extension}", Track(sound, late=3.0), video=8)
    rest = np.concatenate(list(decode_blocks(path, start=start)))
    expected = [onset - start for onset in (3.0, 6.0) if onset > start]
    assert onsets(rest) == pytest.approx(expected, abs=CODEC_DELAY)


def test_a_start_after_the_end_gives_nothing(beeps: Path) -> None:
    assert list(decode_blocks(beeps, start=60)) == []


def test_blocks_are_of_the_size_asked_for_and_together_the_whole(tools: str, beeps: Path) -> None:
    blocks = list(decode_blocks(beeps, block_seconds=2.5))
    assert [len(block) / RATE for block in blocks] == [2.5, 2.5, 1.0]
    np.testing.assert_array_equal(np.concatenate(blocks), decode_audio(beeps))
    assert all(block.dtype == np.float32 and block.flags.writeable for block in blocks)


def test_samples_are_those_of_the_file(beeps: Path) -> None:
    np.testing.assert_allclose(decode_audio(beeps), BEEPS, atol=1e-4)


@pytest.mark.parametrize(
    ("codec", "rate"),
    [("pcm_u8", 8000), ("pcm_mulaw", 8000), ("pcm_f32le", 48000), ("pcm_s24le", 96000)],
)
def test_samples_of_telephones_and_studios_are_read(
    codec: str, rate: int, beeps: Path, tmp_path: Path
) -> None:
    run_ffmpeg("-i", str(beeps), "-c:a", codec, "-ar", str(rate), str(tmp_path / "a.wav"))
    assert onsets(decode_audio(tmp_path / "a.wav")) == pytest.approx([1.0, 4.0], abs=0.01)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_another_sample_rate_is_made(beeps: Path, rate: int) -> None:
    sound = decode_audio(beeps, sample_rate=rate)
    assert len(sound) == pytest.approx(6 * rate, abs=rate * 0.01)
    assert onsets(sound, rate) == pytest.approx([1.0, 4.0], abs=0.005)


NAMES = [
    "with space.mkv", "quote's \".mkv", "100%.mkv", "frame%03d.mkv", "-leading.mkv",
    "--help.mkv", "new\nline.mkv", "🎬 émoji.mkv", "http:colon.mkv", "[a:b]{c},d;e.mkv",
    "back\\slash.mkv", "concat:a|b.mkv", "*?.mkv",
    "x\n  Stream #0:7: Audio: fake, 1 Hz, mono.mkv",
]  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="Windows forbids these names")
@pytest.mark.parametrize("name", NAMES)
def test_any_file_name_works(
    tools: str, tmp_path: Path, film: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(film, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(probe(name).audio) == 3
    assert len(decode_audio(name)) == pytest.approx(2 * RATE, abs=0.1 * RATE)


def test_memory_does_not_grow_with_the_film(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    run_ffmpeg("-f", "lavfi", "-i", f"anoisesrc=a=0.01:r={RATE}:d=600", f"file:{path}")
    tracemalloc.start()
    seconds = sum(len(block) for block in decode_blocks(path, block_seconds=10)) / RATE
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds == pytest.approx(600)
    assert peak < 60 * RATE * 4


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Every process that is started from now on."""
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(real(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    return started


def stand_in(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Run a Python program in place of ffmpeg when sound is decoded."""
    monkeypatch.setattr(decode, "_decode_command", lambda *_, **__: [sys.executable, "-c", program])


def test_ffmpeg_ends_with_the_generator(
    beeps: Path, children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, "import sys\nwhile True: sys.stdout.write('\\0' * 4096)")
    threads = threading.active_count()
    blocks = decode_blocks(beeps, block_seconds=1)
    assert len(next(blocks)) == RATE
    assert children[-1].poll() is None
    blocks.close()  # type: ignore[attr-defined]
    assert children[-1].returncode not in (None, 0)
    assert threading.active_count() == threads


def test_ffmpeg_ends_when_its_user_fails(
    beeps: Path, children: list[subprocess.Popen[bytes]]
) -> None:
    def use() -> None:
        for _ in decode_blocks(beeps, block_seconds=1):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert children[-1].poll() is not None


def test_a_flood_of_messages_does_not_stop_decoding(
    beeps: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in(
        monkeypatch,
        "import sys\nfor n in range(20000): sys.stderr.write(f'packet {n} is damaged\\n')\n"
        f"sys.stdout.write('\\0' * {RATE * 4})",
    )
    assert sum(map(len, decode_blocks(beeps))) == RATE
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "packet 19980 is damaged" in caplog.text


def test_names_that_are_no_utf_8_are_read(tmp_path: Path) -> None:
    made = write_wav(tmp_path / "made.wav", BEEPS)
    named = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \xff\xc3.wav"))
    made.rename(named)
    assert onsets(decode_audio(named)) == pytest.approx([1, 4], abs=0.02)


def test_only_while_somebody_waits_patience_ends() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    patience = Patience(child, 0.2)
    with patience.watch():
        end = time.monotonic() + 0.6
        while time.monotonic() < end:  # as a slow recogniser
            assert child.poll() is None
        with patience.waiting():
            child.wait(timeout=60)
    assert patience.is_over
    child.communicate()
