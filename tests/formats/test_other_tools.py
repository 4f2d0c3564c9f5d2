"""Files of other tools are read, and what is no subtitle is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptasr_subs import formats
from gptasr_subs.errors import FormatError
from gptasr_subs.formats import Document
from gptasr_subs.types import Cue


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


def test_rows_and_cues_without_time_or_text_do_not_cost_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("start\tend\ttext\n0\t2000\tone\n4000\t4000\ttwo\n")
    (tmp_path / "a.sbv").write_text(
        "0:00:00.500,0:00:02.000\n\n\n0:00:03.000,0:00:05.000\none\n\n"
        "0:00:05.000,0:00:07.000\n>> BOB: two\nand more\n"
    )
    assert [cue.lines for cue in formats.read(tmp_path / "a.tsv")] == [("one",), ("two",)]
    assert [cue.lines for cue in formats.read(tmp_path / "a.sbv") if cue.text] == [
        ("one",),
        (">> BOB: two", "and more"),
    ]


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
        ("a.json", b'{"cues": [{"start": 1e400, "end": 2, "lines": []}]}', 'no "cues"'),
        (
            "a.json",
            b'{"segments": [{"start": 0, "end": 2, "text": " Hello"}], "language": "en"}',
            'no "cues"',
        ),
        ("a.srt", b"<!DOCTYPE html><html><body>404 not found</body></html>", "not an SRT file"),
        ("a.srt", b"PK\x03\x04\x00\x00zip", "holds no text"),
        ("a.smi", b"<SAMI><BODY><SYNC Start=1000><P>Hi</P></BODY></SAMI>", "format 'smi'"),
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
