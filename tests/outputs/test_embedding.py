"""A track is added and no other stream changes; a failure leaves the film as it was."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gptasr_subs.errors import MediaError, OutputError
from gptasr_subs.media.decode import decode_audio
from gptasr_subs.media.probe import inspect, probe
from gptasr_subs.outputs import embedding
from gptasr_subs.outputs.embedding import Track, embed, embedded_track
from gptasr_subs.types import Cue
from tests.support.films import names_in
from tests.support.media_maker import Track as Sound
from tests.support.media_maker import (
    make_media,
    onsets,
    read_with_ffmpeg,
    run_ffmpeg,
    tone,
    turn,
)

CUES = [Cue(0.5, 1.5, ("Hello,", "it's 100%")), Cue(2.25, 3.0, ("Zoë & friends",))]
FACTS = """;FFMETADATA1
title=My Film
comment=found in the attic
[CHAPTER]
TIMEBASE=1/1000
START=0
END=2000
title=First
[CHAPTER]
TIMEBASE=1/1000
START=2000
END=4000
title=Second
"""
needs_ffprobe = pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs ffprobe")


@pytest.fixture
def rich(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A film with all that one can have: tracks, chapters, cover, font, time code, metadata."""
    kind = getattr(request, "param", "mkv")
    (tmp_path / "facts").write_text(FACTS)
    (tmp_path / "font.ttf").write_bytes(bytes(range(256)) * 8)
    run_ffmpeg(
        "-f", "lavfi", "-i", "color=red:s=32x32", "-frames:v", "1", str(tmp_path / "cover.jpg")
    )
    sounds = (Sound(tone(4), language="fre"), Sound(tone(4, 880), language="eng", late=0.5))
    plain = make_media(
        tmp_path / f"plain.{kind}", *sounds, video=4, subtitles=["ger"], options=text_codec(kind)
    )
    film = tmp_path / "folder" / f'it\'s "100%": [é].{kind}'
    film.parent.mkdir()
    inputs = ["-i", str(plain), "-i", str(tmp_path / "facts"), "-i", str(tmp_path / "cover.jpg")]
    options = [
        "-map",
        "0",
        "-map_metadata",
        "1",
        "-map_chapters",
        "1",
        "-c",
        "copy",
        "-metadata:s:v:0",
        "timecode=01:00:00:00",
    ]
    if kind == "mkv":
        for number, (name, mime) in enumerate(
            [("font.ttf", "font/ttf"), ("cover.jpg", "image/jpeg")]
        ):
            options += [
                "-attach",
                str(tmp_path / name),
                f"-metadata:s:t:{number}",
                f"mimetype={mime}",
            ]
    else:
        options += ["-map", "2", "-disposition:v:1", "attached_pic"]
    run_ffmpeg(*inputs, *options, f"file:{film}")
    return film


def text_codec(kind: str) -> list[str]:
    return ["-c:s", "srt" if kind == "mkv" else "mov_text"]


def facts_of(path: Path) -> dict[str, Any]:
    command = [
        "ffprobe",
        "-v",
        "error",
        "-show_streams",
        "-show_format",
        "-show_chapters",
        "-of",
        "json",
    ]
    done = subprocess.run([*command, f"file:{path}"], check=True, capture_output=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def hashes_of(path: Path) -> list[str]:
    """The hash of every stream's packets, each stream by itself."""
    copied = ["-map", "0", "-c", "copy", "-copy_unknown"]
    hashes = read_with_ffmpeg(path, *copied, "-f", "streamhash", "-hash", "sha256")
    return sorted(line.split(",", 1)[1] for line in hashes.decode().splitlines())


def extracted(path: Path, number: int) -> str:
    return read_with_ffmpeg(path, "-map", f"0:s:{number}", "-f", "srt").decode()


def general(facts: dict[str, Any]) -> dict[str, str]:
    """Tags of the whole film; some readers of ffmpeg repeat the time code of the picture here."""
    return {name: value for name, value in facts["format"]["tags"].items() if name != "timecode"}


def likeness(stream: dict[str, Any]) -> dict[str, Any]:
    """What must not change about a stream that was there before."""
    tags = {
        name.lower(): value
        for name, value in stream.get("tags", {}).items()
        if name.lower() != "duration"
    }
    wanted = {
        "codec_name": stream.get("codec_name"),
        "tags": tags,
        "disposition": stream["disposition"],
    }
    if stream["codec_type"] == "data":  # the chapters' track and the time code, written anew
        wanted["tags"].pop("handler_name", None)
    return wanted


@needs_ffprobe
@pytest.mark.parametrize("rich", ["mkv", "mp4", "mov"], indirect=True)
def test_every_other_stream_is_the_same_bit_for_bit(rich: Path) -> None:
    before, hashes = facts_of(rich), hashes_of(rich)
    embed(rich, CUES, Track("en", sdh=True))
    after = facts_of(rich)
    remaining = hashes_of(rich)
    for fingerprint in hashes:
        remaining.remove(fingerprint)
    assert [kind.partition(",")[0] for kind in remaining] == ["s"]
    texts = [stream for stream in after["streams"] if stream["codec_type"] == "subtitle"]
    assert len(texts) == 2 and texts[1]["tags"]["language"] == "eng"
    assert "English (automatic, SDH)" in (
        texts[1]["tags"].get("title"),
        texts[1]["tags"].get("handler_name"),
    )
    assert texts[1]["disposition"]["default"] == 0
    # which has no place for it
    assert texts[1]["disposition"]["hearing_impaired"] == (rich.suffix != ".mov")
    others = [likeness(stream) for stream in after["streams"] if stream is not texts[1]]
    assert sorted(map(str, others)) == sorted(str(likeness(stream)) for stream in before["streams"])
    assert [chapter["tags"] for chapter in after["chapters"]] == [
        {"title": "First"},
        {"title": "Second"},
    ]
    assert general(after) == general(before)
    assert names_in(rich.parent) == [rich.name]


@needs_ffprobe
@pytest.mark.parametrize("kind", ["mkv", "mp4", "webm"])
def test_the_track_has_the_cues_at_their_times(kind: str, tmp_path: Path) -> None:
    film = make_media(tmp_path / f"film.{kind}", Sound(tone(4), late=0.7), video=4)
    embed(film, CUES, Track())
    text = extracted(film, 0)
    assert "00:00:00,500 --> 00:00:01,500\nHello,\nit's 100%\n" in text.replace("\r\n", "\n")
    assert "00:00:02,250 --> 00:00:03,000\nZoë & friends" in text


def test_a_track_is_replaced_by_its_like(tools: str, tmp_path: Path) -> None:
    film = make_media(tmp_path / "film.mkv", tone(4), video=4, subtitles=["eng", "ger"])
    assert embedded_track(film, Track("en")) and embedded_track(film, Track("de"))
    assert not embedded_track(film, Track("fr")) and not embedded_track(
        film, Track("en", forced=True)
    )
    embed(film, CUES, Track("en", forced=True))
    assert embedded_track(film, Track("en", forced=True))
    embed(film, CUES[:1], Track("en", forced=True))
    tracks = [stream for stream in inspect(film)["streams"] if stream["codec_type"] == "subtitle"]
    assert [track["tags"]["language"] for track in tracks] == ["eng", "ger", "eng"]
    assert "Zoë" not in extracted(film, 2)


def test_what_is_no_container_of_text_is_one_sentence(tmp_path: Path) -> None:
    film = make_media(tmp_path / "film.avi", tone(2), video=2)
    with pytest.raises(
        MediaError, match=r"film.avi' cannot hold a subtitle track; convert it to one of m4v, mkv"
    ):
        embed(film, CUES, Track())


@pytest.mark.parametrize("failure", ["changed", "killed", "interrupted", "full"])
def test_the_film_stays_as_it_was_whatever_fails(
    failure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    film = make_media(tmp_path / "film.mkv", tone(2), video=2).rename(folder / "film.mkv")
    before, hashes = film.read_bytes(), embedding._hashes

    def spoiled(command: list[str], media: Path) -> Counter[str]:
        if failure == "interrupted":
            raise KeyboardInterrupt
        if failure == "killed":
            return hashes([*command[:-1], "/nowhere/at/all"], media)
        found = hashes(command, media)
        return found if "1:0" in command else Counter(f"{line}0" for line in found)

    monkeypatch.setattr(embedding, "_hashes", spoiled)
    if failure == "full":
        monkeypatch.setattr(embedding, "_SPARE_BYTES", 1 << 60)
    expected = (
        KeyboardInterrupt
        if failure == "interrupted"
        else OutputError
        if failure == "full"
        else MediaError
    )
    with pytest.raises(expected) as error:
        embed(film, CUES, Track())
    assert failure == "interrupted" or "film.mkv" in str(error.value)
    assert film.read_bytes() == before and names_in(folder) == ["film.mkv"]


def test_the_proof_covers_all_tracks_of_a_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make_media(tmp_path / "film.mkv", tone(2), tone(2, 880), video=2)
    before, join = film.read_bytes(), embedding.join_streams

    def lose_one(*streams: Any, to: Path | str, **options: Any) -> Any:
        return join(*(streams[:1] + streams[2:] if to != "pipe:1" else streams), to=to, **options)

    monkeypatch.setattr(embedding, "join_streams", lose_one)
    with pytest.raises(MediaError, match=r"cannot copy all of '.*film.mkv' exactly"):
        embed(film, CUES, Track())
    assert film.read_bytes() == before


MADE = "2024-05-01T08:00:00"
PHONES = {
    "mov": {
        "com.apple.quicktime.location.ISO6709": "+48.2082+016.3738/",
        "com.apple.quicktime.make": "Apple",
        "com.apple.quicktime.creationdate": "2024-05-01T10:00:00+0200",
    },
    "mp4": {"com.android.version": "13", "location": "+48.2082+016.3738/", "title": "Garden"},
    "m4v": {"title": "Garden", "comment": "in May", "location": "+48.2082+016.3738/"},
    "mkv": {"LOCATION": "Vienna", "TITLE": "Garden; a story: part 1", "MINOR_VERSION": "512"},
}


@needs_ffprobe
@pytest.mark.parametrize("kind", PHONES)
def test_when_and_where_a_film_was_made_stays(kind: str, tools: str, tmp_path: Path) -> None:
    keys = {**PHONES[kind], "creation_time": f"{MADE}Z"}
    options = [word for name, value in keys.items() for word in ("-metadata", f"{name}={value}")]
    options += ["-movflags", "use_metadata_tags"] if any("com." in name for name in keys) else []
    film = make_media(tmp_path / f"film.{kind}", tone(2), video=2, options=options)
    before = facts_of(film)
    embed(film, CUES[:1], Track())
    embed(film, CUES, Track())  # in the place of the first
    after = facts_of(film)
    kept = [said_of(part) for part in (before["format"], *before["streams"])]
    found = [said_of(part) for part in (after["format"], *after["streams"])]
    assert found[: len(kept)] == kept
    assert {name.lower() for name in keys} <= kept[0].keys() | {"minor_version"}


@pytest.mark.parametrize("kind", ["mp4", "mov"])
def test_a_turned_film_and_late_audio_stay_as_they_are(kind: str, tmp_path: Path) -> None:
    film = make_media(tmp_path / f"film.{kind}", Sound(tone(2), late=1.5), video=4, size="64x32")
    turn(film)
    before = probe(film)
    assert (before.width, before.height) == (32, 64)
    heard = onsets(decode_audio(film))
    embed(film, CUES, Track())
    assert (probe(film).width, probe(film).height) == (32, 64)
    assert onsets(decode_audio(film)) == pytest.approx(heard, abs=0.001)
    assert heard == pytest.approx([1.5], abs=0.07)  # and the delay of the codec


def said_of(part: dict[str, Any]) -> dict[str, str]:
    """Its tags, but for the name and version of the program that wrote it, and what it counts."""
    tags = {name.lower(): str(value) for name, value in part.get("tags", {}).items()}
    return {
        name: value.replace(".000000Z", "Z")
        for name, value in tags.items()
        if name not in ("encoder", "duration", "compatible_brands")
    }


@needs_ffprobe
def test_what_a_film_says_of_itself_and_ffmpeg_cannot_keep_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make_media(
        tmp_path / "film.mp4", tone(2), video=2, options=["-metadata", "title=Garden"]
    )
    before = film.read_bytes()
    monkeypatch.setattr(embedding, "_writer_options", lambda *_: {"map_metadata": "-1"})
    with pytest.raises(MediaError, match=r"cannot keep what '.*film.mp4' says of itself \(title\)"):
        embed(film, CUES, Track())
    assert film.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "listxattr"), reason="needs Linux")
def test_times_and_attributes_of_a_film_stay_and_its_links_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    film = make_media(tmp_path / "film.mkv", tone(2), video=2)
    (tmp_path / "seed.mkv").hardlink_to(film)
    seed = film.read_bytes()
    os.utime(film, ns=(10**18, 10**18))
    with contextlib.suppress(OSError):
        os.setxattr(film, "user.note", b"mine")
    noted = os.listxattr(film)
    embed(film, CUES, Track())
    assert film.stat().st_mtime_ns == 10**18
    assert os.listxattr(film) == noted
    assert (tmp_path / "seed.mkv").read_bytes() == seed
    assert (
        "film.mkv' has 1 more name (hard links): what stands there stays as it was" in caplog.text
    )
