"""What the edit lists of a film hide stays in it, hidden as it was, when a track is added."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from gptasr_subs.errors import MediaError
from gptasr_subs.media.ffmpeg import find_ffmpeg
from gptasr_subs.media.mp4 import edit_starts, movie_header
from gptasr_subs.outputs.embedding import Track, embed
from gptasr_subs.types import Cue
from tests.support.media_maker import make_media, read_with_ffmpeg, run_ffmpeg, tone

CUES = [Cue(0.5, 1.5, ("Hello,",))]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A film of telephones' units that begins amid its packets: it was cut without encoding."""
    units = ["-video_track_timescale", "600"]
    whole = make_media(tmp_path / "whole.mp4", tone(6), video=6, options=units)
    run_ffmpeg("-ss", "3.2", "-i", str(whole), "-c", "copy", *units, str(tmp_path / "film.mp4"))
    return tmp_path / "film.mp4"


@pytest.mark.parametrize("program", ["ffmpeg", "imageio-ffmpeg"])
def test_a_cut_film_keeps_what_is_hidden_before_its_begin(
    program: str, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything, shown = packets_of(film, "-ignore_editlist", "1"), frames_of(film)
    assert everything > packets_of(film)
    if program == "imageio-ffmpeg":
        monkeypatch.setattr(shutil, "which", lambda name: None)
    find_ffmpeg.cache_clear()
    embed(film, CUES, Track())
    monkeypatch.undo()
    find_ffmpeg.cache_clear()
    assert packets_of(film, "-ignore_editlist", "1") == everything
    assert frames_of(film) == shown
    assert "00:00:00,500 --> 00:00:01,500" in read_with_ffmpeg(film, "-f", "srt").decode()


@pytest.mark.parametrize("parts", [1, 2])
def test_an_edit_list_that_ffmpeg_would_lose_stops_it(parts: int, film: Path) -> None:
    before = with_parts(film.read_bytes(), parts)
    film.write_bytes(before)
    with film.open("rb") as file:
        assert edit_starts(movie_header(file)) == [None, None]
    with pytest.raises(MediaError, match=r"cannot copy all of '.*film.mp4' exactly"):
        embed(film, CUES, Track())
    assert film.read_bytes() == before


def test_a_damaged_header_has_no_known_edits() -> None:
    assert edit_starts(b"\0\0\0\x10trak\0\0\0\x08edts") == []


def packets_of(film: Path, *options: str) -> Counter[str]:
    """Size and hash of the packets of picture and sound."""
    streams = ["-map", "0:v", "-map", "0:a", "-c", "copy", "-f", "framemd5", "-"]
    command = [find_ffmpeg(), "-v", "error", *options, "-i", str(film), *streams]
    lines = subprocess.run(command, check=True, capture_output=True).stdout.decode().splitlines()
    return Counter("".join(line.split(",")[4:6]) for line in lines if not line.startswith("#"))


def frames_of(film: Path) -> str:
    """Time and hash of all that is seen and heard."""
    return read_with_ffmpeg(film, "-map", "0:v", "-map", "0:a", "-f", "framemd5").decode()


def with_parts(film: bytes, parts: int) -> bytes:
    """The film with edit lists that show half a second in each of ``parts`` places."""
    whole = bytearray(film)
    edits = [struct.pack(">IiI", 500, 600 * part, 1 << 16) for part in range(parts)]
    end = len(whole)
    while (place := whole.rfind(b"elst", 0, end)) >= 0:
        end = whole.rfind(b"trak", 0, place)
        for box in (place, place - 8, end, whole.rfind(b"moov", 0, place)):
            size = int.from_bytes(whole[box - 4 : box], "big") + 12 * (parts - 1)
            whole[box - 4 : box] = size.to_bytes(4, "big")
        whole[place + 8 : place + 24] = struct.pack(">I", parts) + b"".join(edits)
    return bytes(whole)
