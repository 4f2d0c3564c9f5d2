from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptasr_subs.errors import MediaError
from gptasr_subs.media import decode
from gptasr_subs.media import probe as probing
from gptasr_subs.media.decode import decode_audio, decode_blocks
from gptasr_subs.media.ffmpeg import complaint, find_ffmpeg
from gptasr_subs.media.patience import Patience
from gptasr_subs.media.probe import AudioTrack, MediaInfo, choose_track, probe
from gptasr_subs.types import FloatArray
from tests.support.media_maker import (
    RATE,
    Track,
    chords,
    cut_hole,
    make_media,
    noise,
    onsets,
    place,
    run_ffmpeg,
    silence,
    speech,
    tone,
    write_wav,
)

BEEPS = place(6, (1, tone(0.5)), (4, tone(0.5)), floor=0)  # onsets at 1 and 4 s
# s; what lossy codecs put before the sound, which players do not take away either
CODEC_DELAY = 0.03


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


# The player's timeline


@pytest.mark.parametrize("extension", ["mkv", "mp4", "mov", "ts", "m2ts", "mpg"])
def test_sound_that_starts_late_comes_after_silence(
    tools: str, tmp_path: Path, extension: str
) -> None:
    path = make_media(tmp_path / f"late.{extension}", Track(tone(2), late=3.0), video=6)
    sound = decode_audio(path)
    assert onsets(sound)[0] == pytest.approx(3.0, abs=CODEC_DELAY)


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


# Decoding


def test_blocks_are_of_the_size_asked_for_and_together_the_whole(tools: str, beeps: Path) -> None:
    blocks = list(decode_blocks(beeps, block_seconds=2.5))
    assert [len(block) / RATE for block in blocks] == [2.5, 2.5, 1.0]
    np.testing.assert_array_equal(np.concatenate(blocks), decode_audio(beeps))
    assert all(block.dtype == np.float32 and block.flags.writeable for block in blocks)


def test_samples_are_those_of_the_file(beeps: Path) -> None:
    np.testing.assert_allclose(decode_audio(beeps), BEEPS, atol=1e-4)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_another_sample_rate_is_made(beeps: Path, rate: int) -> None:
    sound = decode_audio(beeps, sample_rate=rate)
    assert len(sound) == pytest.approx(6 * rate, abs=rate * 0.01)
    assert onsets(sound, rate) == pytest.approx([1.0, 4.0], abs=0.005)


def test_several_channels_become_one(tmp_path: Path) -> None:
    sound = decode_audio(write_wav(tmp_path / "stereo.wav", BEEPS, channels=2))
    np.testing.assert_allclose(sound, BEEPS, atol=1e-4)


@pytest.mark.parametrize(
    ("track", "hertz"), [(0, 440), (1, 880), ("2", 220), ("fr", 880), (None, 220)]
)
def test_the_track_asked_for_is_decoded(
    tools: str, film: Path, track: int | str | None, hertz: float
) -> None:
    sound = decode_audio(film, track=track)[RATE // 2 : RATE // 2 + RATE]
    assert np.argmax(np.abs(np.fft.rfft(sound))) == pytest.approx(hertz, abs=1)


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


# The child process


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


# Bad input


def test_truncated_audio_is_decoded_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = make_media(tmp_path / "whole.mkv", tone(10), options=["-c:a", "pcm_s16le"])
    short = tmp_path / "short.mkv"
    short.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert 3 < len(decode_audio(short)) / RATE < 7
    assert "damaged" in caplog.text and "short.mkv" in caplog.text


def test_damage_in_the_middle_costs_no_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sound = place(20, (2, tone(1)), (16, tone(1)), floor=0.01)
    path = make_media(tmp_path / "damaged.mkv", sound, options=["-c:a", "aac"])
    data = bytearray(path.read_bytes())
    middle = slice(len(data) * 4 // 10, len(data) * 5 // 10)
    data[middle] = np.random.default_rng(0).bytes(middle.stop - middle.start)
    path.write_bytes(data)
    assert onsets(decode_audio(path), level=0.2)[-1] == pytest.approx(16.0, abs=0.12)
    assert "damaged" in caplog.text


def test_a_whole_file_decodes_without_a_warning(
    tools: str, film: Path, caplog: pytest.LogCaptureFixture
) -> None:
    decode_audio(film)
    assert not caplog.records


def broken_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Files that hold nothing to subtitle, and what the error says of each."""
    (folder / "empty.mkv").touch()
    yield "empty.mkv", "empty"
    (folder / "folder.mkv").mkdir()
    yield "folder.mkv", "folder"
    (folder / "text.mkv").write_text("This is no film.\n" * 100)
    yield "text.mkv", "no media"
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(100_000))
    yield "noise.mp4", "no media"
    whole = make_media(folder / "whole.mp4", tone(5), video=5)
    (folder / "cut.mp4").write_bytes(whole.read_bytes()[:-500])  # the index is at the end
    yield "cut.mp4", "cut short"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=d=1:s=64x48", f"file:{folder / 'silent.mkv'}")
    yield "silent.mkv", "no audio track"
    data = write_wav(folder / "strange.wav", tone(1)).read_bytes()
    (folder / "strange.wav").write_bytes(data[:20] + b"\x34\x12" + data[22:])  # a codec nobody has
    yield "strange.wav", "codec unknown.*full build of ffmpeg"
    write_wav(folder / "nothing.wav", silence(0))
    yield "nothing.wav", "cannot be decoded"
    yield "missing.mkv", "no file"
    yield "missing/film.mkv", "no file"
    yield "null\0byte.mkv", "no file"


def test_what_cannot_be_used_is_refused_in_one_clear_sentence(tools: str, tmp_path: Path) -> None:
    for name, reason in broken_files(tmp_path):
        with pytest.raises(MediaError, match=reason) as caught:
            decode_audio(tmp_path / name)
        message = str(caught.value)
        assert repr(name)[1:-1] in message
        assert message.endswith(".") and "\n" not in message


def test_decoding_says_the_same_as_probing(tmp_path: Path, film: Path) -> None:
    for name, reason in broken_files(tmp_path):
        with pytest.raises(MediaError, match=reason):
            list(decode_blocks(tmp_path / name))
    with pytest.raises(MediaError, match=r"no audio track '7'.*1: fre"):
        list(decode_blocks(film, track=7))


def test_a_file_without_rights_is_refused(beeps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # the tests may run as root, who has every right
    with pytest.raises(MediaError, match="may not be read"):
        probe(beeps)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MediaError, match="pipe"):
        probe(tmp_path / "pipe")


def test_without_any_ffmpeg_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, beeps: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    find_ffmpeg.cache_clear()
    with pytest.raises(MediaError, match=r"ffmpeg is not installed; install it"):
        probe(beeps)


# Choosing a track


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


def test_names_that_are_no_utf_8_are_read(tmp_path: Path) -> None:
    made = write_wav(tmp_path / "made.wav", BEEPS)
    named = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \xff\xc3.wav"))
    made.rename(named)
    assert onsets(decode_audio(named)) == pytest.approx([1, 4], abs=0.02)


@pytest.mark.parametrize("wanted", [2, "2", "-1", "fr", "und", ""])
def test_a_missing_track_is_refused_with_those_there_are(
    wanted: int | str,
) -> None:
    with pytest.raises(
        MediaError, match=r"--audio-track from: 0: eng, aac; 1: language unknown, aac\."
    ):
        choose_track(tracks("eng", ""), wanted)


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


def make_playlist(path: Path) -> Path:
    """Beeps in parts of two seconds."""
    source = write_wav(path.with_name("source.wav"), BEEPS)
    parts = ["-f", "hls", "-hls_time", "2", "-hls_list_size", "0"]
    run_ffmpeg("-i", str(source), "-c:a", "aac", *parts, str(path))
    return path


def test_a_playlist_that_never_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    playlist = make_playlist(tmp_path / "live.m3u8")
    whole = playlist.read_text()
    assert len(decode_audio(playlist)) / RATE == pytest.approx(6, abs=0.2)
    playlist.write_text(whole.replace("#EXT-X-ENDLIST\n", ""))
    monkeypatch.setattr(decode, "SILENCE_LIMIT", 1.0)
    with pytest.raises(
        MediaError,
        match=r"live.m3u8' has given no more audio for 1 s, after \d s of it: run again when",
    ):
        decode_audio(playlist)


def test_a_part_of_a_playlist_that_is_lost_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    playlist = make_playlist(tmp_path / "film.m3u8")
    decode_audio(playlist)
    assert "damaged" not in caplog.text
    (tmp_path / "film1.ts").unlink()
    decode_audio(playlist)
    assert "film.m3u8' is damaged in places (Failed to open segment 1" in caplog.text


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


def test_a_broken_cover_is_no_damage_of_the_audio(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cover = tmp_path / "cover.jpg"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=s=320x240", "-frames:v", "1", str(cover))
    source = write_wav(tmp_path / "source.wav", BEEPS)
    song = tmp_path / "song.mp3"
    inputs = ["-i", str(source), "-i", str(cover), "-map", "0", "-map", "1"]
    run_ffmpeg(*inputs, "-ar", "44100", "-c:v", "copy", "-disposition:v", "attached_pic", str(song))
    picture = cover.read_bytes()
    song.write_bytes(
        song.read_bytes().replace(picture[600:], b"\xff\xc4" * (len(picture[600:]) // 2))
    )
    assert onsets(decode_audio(song)) == pytest.approx([1, 4], abs=0.06)
    assert "damaged" not in caplog.text


def test_a_header_without_audio_is_named_as_such(tmp_path: Path) -> None:
    empty = write_wav(tmp_path / "empty.wav", silence(0))
    with pytest.raises(MediaError, match=r"cannot be decoded \(it holds none\)"):
        decode_audio(empty)


@pytest.mark.parametrize("name", ["drm.mp4", "drm.m4b", "fast.mp4"])
def test_encrypted_audio_is_named_as_such(name: str, tmp_path: Path) -> None:
    key = "00112233445566778899aabbccddeeff"
    options = [
        "-encryption_scheme",
        "cenc-aes-ctr",
        "-encryption_key",
        key,
        "-encryption_kid",
        key,
        "-f",
        "mp4",
    ]
    options += ["-movflags", "+faststart"] if name == "fast.mp4" else []
    film = make_media(tmp_path / name, tone(2), options=["-c:a", "aac", *options])
    with pytest.raises(MediaError, match=r"is encrypted \(DRM\).*give a copy without protection"):
        decode_audio(film)


def element(name: int, content: bytes) -> bytes:
    """An element of Matroska with its size in eight bytes."""
    size = (len(content) | 1 << 56).to_bytes(8, "big")
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + size + content


def with_encoding(film: Path, kind: int) -> Path:
    """The film with a content encoding (0x5034: compression, 0x5035: encryption) of its track."""
    data = film.read_bytes()
    begin = data.rindex(bytes.fromhex("1654ae6b"))  # before it the index names it too
    track = data.index(b"\xae\x01", begin)  # its size is in eight bytes
    end = track + 9 + int.from_bytes(data[track + 2 : track + 9], "big")
    encoding = element(0x6D80, element(0x6240, element(kind, b"")))
    entry = element(0xAE, data[track + 9 : end] + encoding)
    film.write_bytes(data[:begin] + element(0x1654AE6B, entry) + data[end:])
    return film


@pytest.mark.parametrize("name", ["drm.mka", "drm.webm"])
def test_encrypted_matroska_is_named_as_such(name: str, tmp_path: Path) -> None:
    film = make_media(tmp_path / name, tone(2), options=["-live", "1"])
    assert len(decode_audio(film)) == pytest.approx(2 * RATE, rel=0.05)
    with pytest.raises(MediaError, match=r"is encrypted \(DRM\).*give a copy without protection"):
        decode_audio(with_encoding(film, kind=0x5035))


def test_the_telling_line_of_ffmpeg_is_told_without_addresses() -> None:
    lines = [
        "[mp4 @ 0x55aa] Could not find tag for codec pcm_s16le",
        "Error initializing output stream 0:0 --",
        "",
    ]
    assert complaint(lines) == "Could not find tag for codec pcm_s16le"
    assert complaint(["Conversion failed!"]) == "Conversion failed!" and complaint([]) == ""
