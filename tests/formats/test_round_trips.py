"""Whatever a cue holds reads back as it was written."""

from __future__ import annotations

import re
import shutil
import subprocess
import unicodedata
from dataclasses import replace
from pathlib import Path

import pysrt
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gptasr_subs import formats
from gptasr_subs.cues.markup import plain
from gptasr_subs.formats import Document
from gptasr_subs.formats.times import is_timing
from gptasr_subs.types import Cue

traps = st.sampled_from(
    [
        "42",
        "WEBVTT",
        "NOTE this",
        "a --> b",
        "&lt;i&gt;",
        "<i>so</i>",
        "</>",
        "<00:01.000>",
        "{\\x}",
        "C:\\New",
        "[00:01.00]",
        "0:00:01.000,0:00:02.000",
        "",
        "  ",
        "STYLE",
    ]
)


any_line = st.one_of(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=50), traps)


any_cue = st.builds(
    lambda start, length, lines, place: Cue(
        start / 1000, (start + length) / 1000, tuple(lines), place
    ),
    st.integers(0, 500_000_000),
    st.integers(1, 7000),
    st.lists(any_line, max_size=4),
    st.integers(1, 9),
)


patiently = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


def shown(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The lines that a player shows: blank ones go, and Unicode line separators break lines too."""
    parts = (part.strip() for line in lines for part in re.split("[\u2028\u2029]", line))
    return tuple(part for part in parts if not is_blank(part))


def is_blank(text: str) -> bool:
    """Whether nothing of it is seen: spaces, and signs without width such as soft hyphens."""
    return all(char.isspace() or unicodedata.category(char) == "Cf" for char in text)


@pytest.mark.parametrize("name", ["srt", "vtt", "json"])
@patiently
@given(cues=st.lists(any_cue, max_size=5))
def test_any_text_reads_back_as_written(name: str, cues: list[Cue], tmp_path: Path) -> None:
    assume(not any(is_timing(line) for cue in cues for line in shown(cue.lines)))
    path = tmp_path / f"talk.{name}"
    formats.write(path, cues)
    lines = (lambda cue: cue.lines) if name == "json" else (lambda cue: shown(cue.lines))
    placed = [replace(cue, lines=lines(cue)) for cue in cues]
    assert formats.read(path) == [
        cue if cue.lines or name != "srt" else replace(cue, position=2) for cue in placed
    ]


@pytest.mark.parametrize("name", ["ass", "ttml"])
@patiently
@given(cues=st.lists(any_cue, max_size=5, unique_by=lambda cue: round(cue.start * 100)))
def test_any_text_and_place_reads_back_from_richer_formats(
    name: str, cues: list[Cue], tmp_path: Path
) -> None:
    cues = [cue for cue in cues if shown(cue.lines)]
    formats.write(tmp_path / f"talk.{name}", cues)
    back = formats.read(tmp_path / f"talk.{name}")
    near = {"ass": 0.0051, "ttml": 0.0001}[name]
    ordered = sorted(cues, key=lambda cue: cue.start)
    for cue, other in zip(back, ordered, strict=True):
        assert (cue.start, cue.end) == (
            pytest.approx(other.start, abs=near),
            pytest.approx(other.end, abs=near),
        )
        assert cue.position == other.position
    assert [letters(cue) for cue in back] == [letters(cue) for cue in ordered]


def letters(cue: Cue) -> list[str]:
    """What is seen of each line: letters that XML cannot hold are marked, joiners are not seen."""
    lines = [
        re.sub("[\ufffe\uffff]", "\ufffd", line.replace("\u2060", ""))
        for line in map(plain, shown(cue.lines))
    ]
    return list(shown(tuple(lines)))


@pytest.mark.parametrize("name", ["sbv", "tsv", "lrc"])
@patiently
@given(cues=st.lists(any_cue, max_size=5, unique_by=lambda cue: round(cue.start, -1)))
def test_any_words_read_back_from_plainer_formats(
    name: str, cues: list[Cue], tmp_path: Path
) -> None:
    ordered = sorted((cue for cue in cues if letters(cue)), key=lambda cue: cue.start)
    formats.write(tmp_path / f"talk.{name}", ordered)
    back = formats.read(tmp_path / f"talk.{name}")
    assert [words_of(cue) for cue in back] == [words_of(cue) for cue in ordered]
    assert [cue.start for cue in back] == pytest.approx([cue.start for cue in ordered], abs=0.0051)


def words_of(cue: Cue) -> str:
    return re.sub("[ \\s]", "", plain("".join(shown(cue.lines))))


@patiently
@given(st.lists(any_cue, min_size=1, max_size=4))
def test_pysrt_reads_the_same(cues: list[Cue]) -> None:
    items = pysrt.SubRipFile.from_string(
        formats.render(Document(tuple(cues)), "srt"), error_handling=2
    )
    assert [item.start.ordinal for item in items] == [round(cue.start * 1000) for cue in cues]
    seen = [
        [line.strip() for line in item.text.replace("\u2060", "").split("\n")] for item in items
    ]
    assert seen == [[line.replace("\u2060", "") for line in placed(cue)] or [""] for cue in cues]


def placed(cue: Cue) -> tuple[str, ...]:
    first, *rest = shown(cue.lines) or ("",)
    return (
        (f"{{\\an{cue.position}}}{first}", *rest)
        if first and cue.position != 2
        else shown(cue.lines)
    )


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("name", ["srt", "vtt", "ass"])
def test_ffmpeg_reads_the_same(name: str, tmp_path: Path) -> None:
    cues = [
        Cue(1.0, 2.5, ("Tom & Zoë:", "a --> b")),
        Cue(3.25, 4.0, ("42",)),
        Cue(5.0, 6.0, ("100 % sure",)),
    ]
    formats.write(tmp_path / f"in.{name}", cues)
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(tmp_path / f"in.{name}"),
        str(tmp_path / "out.srt"),
    ]
    subprocess.run(command, check=True)
    seen = [
        replace(cue, lines=tuple(map(plain, cue.lines)))
        for cue in formats.read(tmp_path / "out.srt")
    ]
    assert seen == cues  # ffmpeg adds the size of the letters


@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_control_characters_and_broken_letters_do_no_harm(name: str) -> None:
    cue = Cue(1.0, 2.0, ("one\ttwo\x00\x1b", "three\r\nfour\n\n\nfive", "\x07", "half \ud83d"))
    text = formats.render(Document((cue,)), name)
    (back,) = formats.get_format(name).read(text)  # type: ignore[attr-defined]
    assert back.lines == ("one two", "three", "four", "five", "half \ufffd")
    text.encode("utf-8")


def test_a_line_like_two_times_stays_text_in_srt() -> None:
    cue = Cue(1.0, 2.0, ("The scene", "00:00:05,000 --> 00:00:06,000", "is cut."))
    (back,) = formats.get_format("srt").read(formats.render(Document((cue,)), "srt"))  # type: ignore[attr-defined]
    assert back.lines == ("The scene", "00:00:05,000 > 00:00:06,000", "is cut.")


def test_times_round_to_milliseconds_and_never_lie_before_the_start() -> None:
    text = formats.render(
        Document((Cue(-0.2, 0.0004, ("a",)), Cue(59.9996, 359_999.9996, ("b",)))), "vtt"
    )
    assert "00:00:00.000 --> 00:00:00.000" in text
    assert "00:01:00.000 --> 100:00:00.000" in text


@pytest.mark.parametrize("name", ["vtt", "srt"])
def test_over_a_hundred_hours_and_every_place_read_back(name: str, tmp_path: Path) -> None:
    cues = [Cue(360_000.0 + place, 360_000.5 + place, ("late",), place) for place in range(1, 10)]
    formats.write(tmp_path / f"a.{name}", cues)
    assert formats.read(tmp_path / f"a.{name}") == cues
