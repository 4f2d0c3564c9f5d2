"""What is written reads back the same, other tools' files are read, and plugins do no harm."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pysrt
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gptasr_subs import formats
from gptasr_subs.cues.markup import plain
from gptasr_subs.errors import FormatError, OutputError
from gptasr_subs.formats import Document, registry
from gptasr_subs.formats.document import Style
from gptasr_subs.formats.times import is_timing
from gptasr_subs.types import Cue, Word

GOLDEN = Path(__file__).parents[1] / "golden"

NAMES = ["srt", "vtt", "ass", "ttml", "sbv", "lrc", "tsv", "txt", "json"]
WORDS = (
    Word("Tom", 1.0, 1.25, 0.98765),
    Word("&", 1.25, 1.5, 0.5),
    Word("Zoë", 1.5, 2.0, 1.0),
    Word("asked:", 2.0, 2.4, 0.9),
    Word("is", 2.5, 2.75, 0.9),
    Word("3", 2.75, 3.0, 0.9),
    Word("<", 3.0, 3.25, 0.3),
    Word("4?", 3.25, 3.5, 0.9),
    Word("Yes.", 3661.0, 3661.5, 0.75),
)
CUES = (
    Cue(1.0, 4.0, ("Tom & Zoë asked:", "is 3 < 4?")),
    Cue(3661.0, 3661.833, ("Yes.",)),
)
DOCUMENT = Document(
    CUES, WORDS, source="night — 1.mkv", seconds=3700.5, language="en", model="small"
)


STYLED = replace(
    DOCUMENT, style=Style(word_times=True, mark_confidence_below=0.6, text_height=0.09)
)


@pytest.mark.parametrize("name", formats.find_formats())
def test_each_format_is_written_as_its_golden_file(name: str) -> None:
    assert formats.render(DOCUMENT, name) == (GOLDEN / f"talk.{name}").read_bytes().decode("utf-8")


@pytest.mark.parametrize("name", ["vtt", "ass", "lrc"])
def test_words_carry_their_times_and_doubts_as_in_the_golden_file(name: str) -> None:
    assert formats.render(STYLED, name) == (GOLDEN / f"talk.words.{name}").read_bytes().decode(
        "utf-8"
    )


@pytest.mark.parametrize(
    "name", ["talk.vtt", "talk.words.vtt", "talk.srt", "talk.json", "talk.sbv", "talk.ttml"]
)
def test_golden_files_read_back(name: str) -> None:
    assert formats.read(GOLDEN / name) == list(CUES)


@pytest.mark.parametrize("name", ["talk.ass", "talk.words.ass"])
def test_golden_files_of_hundredths_read_back(name: str) -> None:
    assert formats.read(GOLDEN / name) == [CUES[0], replace(CUES[1], end=3661.83)]


@pytest.mark.parametrize(
    ("name", "end"), [("talk.tsv", 3661.833), ("talk.lrc", 3661.83), ("talk.words.lrc", 3661.83)]
)
def test_golden_files_of_single_lines_read_back(name: str, end: float) -> None:
    assert formats.read(GOLDEN / name) == [joined(CUES[0]), replace(CUES[1], end=end)]


def joined(cue: Cue) -> Cue:
    return replace(cue, lines=(" ".join(cue.lines),) if cue.lines else (), position=2)


def test_words_that_are_not_those_of_the_cues_get_no_times() -> None:
    strange = replace(STYLED, words=WORDS[1:])
    assert formats.render(strange, "vtt") == formats.render(DOCUMENT, "vtt")


# ---- round trips

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


@pytest.mark.parametrize(
    "head", ["", "start\tend\ttext\n", "Start\tEnd\tText\n", " START\tEND \tTEXT\r\n", "\n"]
)
@pytest.mark.parametrize("times", ["500\t2000", "0.5\t2.0"])
def test_tsv_is_read_with_and_without_a_head(head: str, times: str, tmp_path: Path) -> None:
    file = tmp_path / "talk.tsv"
    file.write_text(f"{head}{times}\tA tab\tin it\n")
    assert formats.read(file) == [Cue(0.5, 2.0, ("A tab in it",))]


def test_tsv_of_other_columns_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "talk.tsv"
    file.write_text("text\tstart\tend\nHello\t500\t2000\n")
    with pytest.raises(FormatError, match="rows that are not start, end and text"):
        formats.read(file)


def words_of(cue: Cue) -> str:
    return re.sub("[ \\s]", "", plain("".join(cue.lines)))


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


# ---- files of other tools

STRANGE_SRT = {
    "numbers are missing": (
        "00:00:01,000 --> 00:00:02,000\none\n\n00:00:03,000 --> 00:00:04,000\n2\n"
    ),
    "hours have one digit": (
        "1\n0:00:01,000 --> 0:00:02,000\none\n\n2\n0:00:03,000 --> 0:00:04,000\n2\n"
    ),
    "hours are missing": "1\n00:01,000 --> 00:02,000\none\n\n2\n00:03,000 --> 00:04,000\n2\n",
    "dots for commas": (
        "1\n00:00:01.000 --> 00:00:02.000\none\n\n2\n00:00:03.000 --> 00:00:04.000\n2\n"
    ),
    "short fractions": "1\n00:00:01,0 --> 00:00:02,00\none\n\n2\n00:00:03 --> 00:00:04\n2\n",
    "no spaces at the arrow": (
        "1\n00:00:01,000-->00:00:02,000\none\n\n2\n00:00:03,000->00:00:04,000\n2\n"
    ),
    "no blank line between": (
        "1\n00:00:01,000 --> 00:00:02,000\none\n2\n00:00:03,000 --> 00:00:04,000\n2\n"
    ),
    "blank lines everywhere": (
        "\n1\n\n00:00:01,000 --> 00:00:02,000\n\none\n\n\n2\n00:00:03,000 --> 00:00:04,000\n\n2"
    ),
    "no line end at the end": (
        "1\n00:00:01,000 --> 00:00:02,000\none\n\n2\n00:00:03,000 --> 00:00:04,000\n2"
    ),
    "places after the times": (
        "1\n00:00:01,000 --> 00:00:02,000 X1:1\none\n\n2\n00:00:03,000 --> 00:00:04,000  \n2\n"
    ),
}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
@pytest.mark.parametrize("fault", STRANGE_SRT)
def test_srt_is_read_although(fault: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / "strange.srt"
    path.write_bytes(STRANGE_SRT[fault].replace("\n", end).encode())
    assert formats.read(path) == [Cue(1.0, 2.0, ("one",)), Cue(3.0, 4.0, ("2",))]


def test_a_blank_line_within_a_cue_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "talk.srt"
    path.write_text(
        "1\n00:00:01,000 --> 00:00:02,000\none\n\ntwo\n\n2\n00:00:03,000 --> 00:00:04,000\nthree\n"
    )
    assert [cue.lines for cue in formats.read(path)] == [("one", "two"), ("three",)]


def test_more_than_a_hundred_hours_are_read(tmp_path: Path) -> None:
    path = tmp_path / "talk.srt"
    path.write_text("1\n123:00:01,000 --> 123:00:02,500\nlate\n")
    assert formats.read(path) == [Cue(442_801.0, 442_802.5, ("late",))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_any_usual_encoding_is_read(encoding: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / f"talk.{name}"
    cues = [Cue(1.0, 2.0, ("Zoë’s café – “naïve”…",))]
    path.write_bytes(formats.render(Document(tuple(cues)), name).encode(encoding))
    assert formats.read(path) == cues


WEB_VTT = """\
WEBVTT - made elsewhere
Kind: captions

STYLE
::cue { color: white }

NOTE
no cue
at all

intro
00:01.000 --> 00:02.500 align:start position:0%
<v Mary>Tom &amp; <i.loud>Jerry</i></v>
 \n2<00:01.500><c> &lt; 3&nbsp;</c>

NOTE between

1:00:00.000 --> 1:00:01.000
one<b></b> < two &#x1F600;
"""


def test_vtt_is_read_without_styles_notes_and_tags_that_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "web.vtt"
    path.write_text(WEB_VTT, encoding="utf-8")
    assert formats.read(path) == [
        Cue(1.0, 2.5, ("<v Mary>Tom & <i>Jerry</i></v>", "2 < 3")),
        Cue(3600.0, 3601.0, ("one<b></b> < two 😀",)),
    ]


ASS = (
    r"""[Script Info]
; made elsewhere
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, Bold, Italic, Alignment
Style: Default,Arial,20,0,0,2
Style: Sign,Arial,20,0,-1,8

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:09.00,Default,,0,0,0,,no cue
Dialogue: 0,0:00:03.00,0:00:04.50,Sign,,0,0,0,,Fish\hmarket
Dialogue: 0,0:00:01.00,0:00:02.00,Default,Ma,0,0,0,,{\fad(9,0)}Well, """
    r"""{\i1\b1}no{\i0\b0}\Nnot {\an4}at {\u1}all
Dialogue: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,{\p1}m 0 0 l 9 9
Dialogue: 0,100:00:01.00,100:00:02.00,Default,,0,0,0,,late
"""
)
SSA = r"""[V4 Styles]
Format: Name, Fontname, Alignment, AlphaLevel
Style: Default,Arial,6,0
[Events]
Format: Marked, Start, End, Style, Text
Dialogue: Marked=0,0:00:01.00,0:00:02.00,*Default,at the top
"""
TTML = """\
<?xml version="1.0" encoding="utf-8"?>
<tt:tt xmlns:tt="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling"
  xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:frameRate="30"
  ttp:frameRateMultiplier="1000 1001" ttp:tickRate="1000">
  <tt:head>
    <tt:styling><tt:style xml:id="slanted" tts:fontStyle="italic"/></tt:styling>
    <tt:layout><tt:region xml:id="top"><tt:style tts:displayAlign="before"/></tt:region></tt:layout>
  </tt:head>
  <tt:body begin="1s"><tt:div>
    <tt:p begin="00:00:00.500" dur="1.5s">Well,
      <tt:span style="slanted">no</tt:span><tt:br/>not &amp; at all<tt:metadata>secret</tt:metadata>
    </tt:p>
    <tt:p begin="10:00:00:15" end="36001.5s" region="top">late</tt:p>
    <tt:p begin="3000t" end="0.1m">ticks</tt:p>
  </tt:div></tt:body>
</tt:tt>
"""
LRC = "[ti:A song]\n[offset:-500]\n[00:01.50][00:10.5]La <00:01.80>la\n[00:03]Li\n[00:04:25]\n"
SBV = "0:00:01.000,0:00:02.500\nTom[br]and Jerry\nran\n\n\n123:00:01.000,123:00:02.000\nlate\n"
TSV = "1.5\t2.5\tTom\tand Jerry\n3000\t4000\tran\n"

STRANGE = {
    "a.ass": (ASS, [
        Cue(1.0, 2.0, ("Well, <i><b>no</i></b>", "not at <u>all</u>"), 4),
        Cue(3.0, 4.5, ("<i>Fish\N{NO-BREAK SPACE}market</i>",), 8),
        Cue(360_001.0, 360_002.0, ("late",)),
    ]),
    "b.ass": (SSA, [Cue(1.0, 2.0, ("at the top",), 8)]),
    "a.ttml": (TTML, [
        Cue(1.5, 3.0, ("Well, <i>no</i>", "not & at all")),
        Cue(4.0, 7.0, ("ticks",)),
        Cue(36_001.501, 36_002.5, ("late",), 8),
    ]),
    "a.lrc": (LRC, [
        Cue(2.0, 3.5, ("La la",)),
        Cue(3.5, 4.75, ("Li",)),
        Cue(11.0, 18.0, ("La la",)),
    ]),
    "a.sbv": (SBV, [
        Cue(1.0, 2.5, ("Tom", "and Jerry", "ran")),
        Cue(442_801.0, 442_802.0, ("late",)),
    ]),
    "a.tsv": (TSV, [Cue(1.5, 2.5, ("Tom and Jerry",)), Cue(3.0, 4.0, ("ran",))]),
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", STRANGE)
def test_what_other_tools_write_is_read(name: str, end: str, encoding: str, tmp_path: Path) -> None:
    text, cues = STRANGE[name]
    (tmp_path / name).write_bytes(text.replace("\n", end).encode(encoding))
    assert formats.read(tmp_path / name) == cues


@pytest.mark.parametrize("name", ["vtt", "srt"])
def test_over_a_hundred_hours_and_every_place_read_back(name: str, tmp_path: Path) -> None:
    cues = [Cue(360_000.0 + place, 360_000.5 + place, ("late",), place) for place in range(1, 10)]
    formats.write(tmp_path / f"a.{name}", cues)
    assert formats.read(tmp_path / f"a.{name}") == cues


def test_places_of_other_tools_are_read_in_vtt(tmp_path: Path) -> None:
    places = {
        "line:0": 8,
        "line:5%": 8,
        "line:50%": 5,
        "line:90%,end": 2,
        "line:-1": 2,
        "position:10% align:left": 1,
    }
    text = "WEBVTT\n\n" + "".join(
        f"00:01.000 --> 00:02.000 {settings}\nx\n\n" for settings in places
    )
    (tmp_path / "a.vtt").write_text(text)
    assert [cue.position for cue in formats.read(tmp_path / "a.vtt")] == list(places.values())


def test_an_empty_file_has_no_cues(tmp_path: Path) -> None:
    for name, text in {"a.srt": "", "b.vtt": "WEBVTT\n", "c.srt": "\ufeff\n"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert formats.read(tmp_path / name) == []


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.srt", b"a letter to nobody", "not an SRT file"),
        ("a.vtt", b"a letter to nobody", "not a WebVTT file"),
        ("a.json", b'{"cues": [1]}', 'no "cues"'),
        ("a.json", b"{", 'no "cues"'),
        ("a.json", b'{"cues": [{"start": NaN, "end": 1, "lines": []}]}', 'no "cues"'),
        ("a.json", b'{"cues": [{"start": 0, "end": 1, "lines": [], "position": 10}]}', 'no "cues"'),
        ("a.ttml", b'<tt frameRate="many"/>', "rate that is no number"),
        ("a.srt", b"\x00\x01\x02", "holds no text"),
        ("a.ass", b"a letter to nobody", "not an ASS file"),
        ("a.ttml", b"a letter to nobody", "not a TTML file"),
        ("a.ttml", b"<p/>", "begins with <p>"),
        (
            "a.ttml",
            b'<tt><body><p begin="soon" end="1s">x</p></body></tt>',
            "time that cannot be read: 'soon'",
        ),
        ("a.sbv", b"a letter to nobody", "not an SBV file"),
        ("a.lrc", b"a letter to nobody", "not an LRC file"),
        ("a.tsv", b"a letter to nobody", "rows that are not start, end and text"),
        ("a.txt", b"words", "holds no times"),
        (
            "a.xyz",
            b"words",
            "no subtitle format 'xyz'; choose one of ass, json, lrc, sbv, srt, tsv, ttml, txt, vtt",
        ),
    ],
)
def test_what_is_no_subtitle_is_refused_by_name(
    name: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=reason):
        formats.read(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"none\.srt.*no such file"):
        formats.read(tmp_path / "none.srt")


# ---- plain text and JSON


def test_text_begins_a_paragraph_where_the_voice_rests() -> None:
    words = (
        Word("One", 0.0, 0.5),
        Word("two.", 0.5, 1.0),
        Word("Three.", 2.9, 3.0),
        Word("Four.", 5.0, 5.5),
    )
    assert formats.render(Document((), words), "txt") == "One two. Three.\n\nFour.\n"


def test_text_of_cues_alone_joins_their_lines() -> None:
    assert formats.render(Document(CUES), "txt") == "Tom & Zoë asked: is 3 < 4?\n\nYes.\n"


def test_nothing_said_is_an_empty_text() -> None:
    assert formats.render(Document(()), "txt") == ""


def test_json_holds_all_that_is_known_in_a_fixed_order() -> None:
    content = json.loads(formats.render(DOCUMENT, "json"))
    assert list(content) == ["source", "duration", "language", "model", "cues", "words"]
    assert (content["duration"], content["model"], len(content["words"])) == (3700.5, "small", 9)
    assert content["words"][0] == {"text": "Tom", "start": 1.0, "end": 1.25, "confidence": 0.9877}
    assert content["cues"][0]["lines"] == ["Tom & Zoë asked:", "is 3 < 4?"]


# ---- writing


def test_the_extension_chooses_the_format(tmp_path: Path) -> None:
    formats.write(tmp_path / "talk.VTT", CUES)
    assert (
        (tmp_path / "talk.VTT").read_text(encoding="utf-8").startswith("WEBVTT\n\n00:00:01.000 -->")
    )


def test_a_format_named_beats_the_extension(tmp_path: Path) -> None:
    formats.write(
        tmp_path / "talk.part", iter(CUES), iter(WORDS), format="json", source="a.mkv", seconds=9.0
    )
    assert json.loads((tmp_path / "talk.part").read_text(encoding="utf-8"))["source"] == "a.mkv"


def test_files_have_unix_line_ends_and_no_byte_order_mark(tmp_path: Path) -> None:
    formats.write(tmp_path / "talk.srt", CUES)
    data = (tmp_path / "talk.srt").read_bytes()
    assert data.startswith(b"1\n00:00:01,000 --> ")
    assert b"\r" not in data
    assert "Zoë".encode() in data


def test_an_unknown_format_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        FormatError, match="choose one of ass, json, lrc, sbv, srt, tsv, ttml, txt, vtt"
    ):
        formats.write(tmp_path / "talk.doc", CUES)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="folder does not exist"):
        formats.write(tmp_path / "none" / "talk.srt", CUES)


# ---- plugins


GROUP = "gptasr_subs.formats"


class Shout:
    name = "shout"
    extension = "loud"

    def write(self, document: Document) -> str:
        return document.cues[0].text.upper()


class Mute:
    name = "mute"


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """Entry points that other packages would have declared."""
    entries: list[EntryPoint] = []
    monkeypatch.setattr("gptasr_subs.plugins.entry_points", lambda group: entries)
    registry.find_formats.cache_clear()
    yield entries
    registry.find_formats.cache_clear()


def test_formats_are_found_where_no_metadata_is_installed(plugins: list[EntryPoint]) -> None:
    assert list(formats.find_formats()) == NAMES


def test_a_plugin_is_a_format_like_any_other(plugins: list[EntryPoint], tmp_path: Path) -> None:
    plugins.append(EntryPoint("shout", f"{__name__}:Shout", GROUP))
    formats.write(tmp_path / "talk.loud", CUES)
    assert (tmp_path / "talk.loud").read_text(encoding="utf-8") == "TOM & ZOË ASKED:\nIS 3 < 4?"
    assert formats.get_format("shout") is formats.get_format(".loud")


@pytest.mark.parametrize(
    "value", ["no_such_module:Format", f"{__name__}:Absent", f"{__name__}:Mute"]
)
def test_a_broken_plugin_is_named_and_left_out(
    value: str, plugins: list[EntryPoint], caplog: pytest.LogCaptureFixture
) -> None:
    plugins.append(EntryPoint("broken", value, GROUP))
    with caplog.at_level(logging.WARNING):
        assert list(formats.find_formats()) == NAMES
    assert "The plugin broken of gptasr-subs is left out" in caplog.text


def test_a_broken_plugin_does_not_replace_a_built_in(plugins: list[EntryPoint]) -> None:
    plugins.append(EntryPoint("srt", "no_such_module:Srt", GROUP))
    assert formats.render(DOCUMENT, "srt").startswith("1\n")


def test_importing_formats_does_not_import_pysrt() -> None:
    code = "import sys, gptasr_subs.formats; sys.exit('pysrt' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
    )
