"""Damaged audio is decoded as far as it goes; what holds none is refused in one sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gptasr_subs.errors import MediaError
from gptasr_subs.media import decode
from gptasr_subs.media.decode import decode_audio, decode_blocks
from gptasr_subs.media.probe import probe
from tests.support.media_maker import (
    BEEPS,
    RATE,
    make_media,
    onsets,
    place,
    run_ffmpeg,
    silence,
    tone,
    write_wav,
)


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


def make_playlist(path: Path) -> Path:
    """Beeps in parts of two seconds."""
    source = write_wav(path.with_name("source.wav"), BEEPS)
    parts = ["-f", "hls", "-hls_time", "2", "-hls_list_size", "0"]
    run_ffmpeg("-i", str(source), "-c:a", "aac", *parts, str(path))
    return path


@pytest.mark.parametrize("kind", ["", "#EXT-X-PLAYLIST-TYPE:EVENT\n"])
def test_a_playlist_that_never_ends_is_given_up(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    playlist = make_playlist(tmp_path / "live.m3u8")
    whole = playlist.read_text()
    assert len(decode_audio(playlist)) / RATE == pytest.approx(6, abs=0.2)
    playlist.write_text(
        whole.replace("#EXT-X-ENDLIST\n", "").replace("#EXTM3U\n", f"#EXTM3U\n{kind}")
    )
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
