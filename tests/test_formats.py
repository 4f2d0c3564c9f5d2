"""What is written reads back the same, what other tools write is read without loss, and plugins cannot do harm."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pysrt
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gptasr_subs import formats
from gptasr_subs.errors import FormatError, OutputError
from gptasr_subs.formats import Document, registry
from gptasr_subs.formats.blocks import is_timing
from gptasr_subs.plugins import BUILT_IN
from gptasr_subs.types import Cue, Word

GOLDEN = Path(__file__).parent / "golden"

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
DOCUMENT = Document(CUES, WORDS, source="night — 1.mkv", seconds=3700.5, language="en", model="small")


@pytest.mark.parametrize("name", ["srt", "vtt", "txt", "json"])
def test_each_format_is_written_as_its_golden_file(name: str) -> None:
    assert formats.render(DOCUMENT, name) == (GOLDEN / f"talk.{name}").read_bytes().decode("utf-8")


@pytest.mark.parametrize("name", ["srt", "vtt", "json"])
def test_golden_files_read_back(name: str) -> None:
    assert formats.read(GOLDEN / f"talk.{name}") == list(CUES)


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
        "{\\an8}",
        "",
        "  ",
        "STYLE",
    ]
)
any_line = st.one_of(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=50), traps)
any_cue = st.builds(
    lambda start, length, lines: Cue(start / 1000, (start + length) / 1000, tuple(lines)),
    st.integers(0, 500_000_000),
    st.integers(1, 7000),
    st.lists(any_line, max_size=4),
)
patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def shown(lines: tuple[str, ...]) -> tuple[str, ...]:
    """What of the lines a player shows: not blank ones, and the line separators of Unicode break lines too."""
    parts = (part.strip() for line in lines for part in re.split("[\u2028\u2029]", line))
    return tuple(part for part in parts if part)


@pytest.mark.parametrize("name", ["srt", "vtt"])
@patiently
@given(cues=st.lists(any_cue, max_size=5))
def test_any_text_reads_back_as_written(name: str, cues: list[Cue], tmp_path: Path) -> None:
    assume(not any(is_timing(line) for cue in cues for line in shown(cue.lines)))
    path = tmp_path / f"talk.{name}"
    formats.write(path, cues)
    assert formats.read(path) == [Cue(cue.start, cue.end, shown(cue.lines)) for cue in cues]


@patiently
@given(st.lists(any_cue, min_size=1, max_size=4))
def test_pysrt_reads_the_same(cues: list[Cue]) -> None:
    items = pysrt.SubRipFile.from_string(formats.render(Document(tuple(cues)), "srt"), error_handling=2)
    assert [item.start.ordinal for item in items] == [round(cue.start * 1000) for cue in cues]
    assert [[line.strip() for line in item.text.split("\n")] for item in items] == [
        list(shown(cue.lines)) or [""] for cue in cues
    ]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_ffmpeg_reads_the_same(name: str, tmp_path: Path) -> None:
    cues = [Cue(1.0, 2.5, ("Tom & Zoë:", "a --> b")), Cue(3.25, 4.0, ("42",)), Cue(5.0, 6.0, ("100 % sure",))]
    formats.write(tmp_path / f"in.{name}", cues)
    command = ["ffmpeg", "-v", "error", "-i", str(tmp_path / f"in.{name}"), str(tmp_path / "out.srt")]
    subprocess.run(command, check=True)
    assert formats.read(tmp_path / "out.srt") == cues


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
    text = formats.render(Document((Cue(-0.2, 0.0004, ("a",)), Cue(59.9996, 359_999.9996, ("b",)))), "vtt")
    assert "00:00:00.000 --> 00:00:00.000" in text
    assert "00:01:00.000 --> 100:00:00.000" in text


# ---- files of other tools

STRANGE_SRT = {
    "numbers are missing": "00:00:01,000 --> 00:00:02,000\none\n\n00:00:03,000 --> 00:00:04,000\n2\n",
    "hours have one digit": "1\n0:00:01,000 --> 0:00:02,000\none\n\n2\n0:00:03,000 --> 0:00:04,000\n2\n",
    "hours are missing": "1\n00:01,000 --> 00:02,000\none\n\n2\n00:03,000 --> 00:04,000\n2\n",
    "dots for commas": "1\n00:00:01.000 --> 00:00:02.000\none\n\n2\n00:00:03.000 --> 00:00:04.000\n2\n",
    "short fractions": "1\n00:00:01,0 --> 00:00:02,00\none\n\n2\n00:00:03 --> 00:00:04\n2\n",
    "no spaces at the arrow": "1\n00:00:01,000-->00:00:02,000\none\n\n2\n00:00:03,000->00:00:04,000\n2\n",
    "no blank line between": "1\n00:00:01,000 --> 00:00:02,000\none\n2\n00:00:03,000 --> 00:00:04,000\n2\n",
    "blank lines everywhere": "\n1\n\n00:00:01,000 --> 00:00:02,000\n\none\n\n\n2\n00:00:03,000 --> 00:00:04,000\n\n2",
    "no line end at the end": "1\n00:00:01,000 --> 00:00:02,000\none\n\n2\n00:00:03,000 --> 00:00:04,000\n2",
    "places after the times": "1\n00:00:01,000 --> 00:00:02,000 X1:1\none\n\n2\n00:00:03,000 --> 00:00:04,000  \n2\n",
}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
@pytest.mark.parametrize("fault", STRANGE_SRT)
def test_srt_is_read_although(fault: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / "strange.srt"
    path.write_bytes(STRANGE_SRT[fault].replace("\n", end).encode())
    assert formats.read(path) == [Cue(1.0, 2.0, ("one",)), Cue(3.0, 4.0, ("2",))]


def test_a_blank_line_within_a_cue_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "talk.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\none\n\ntwo\n\n2\n00:00:03,000 --> 00:00:04,000\nthree\n")
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


def test_vtt_is_read_without_styles_notes_settings_and_tags(tmp_path: Path) -> None:
    path = tmp_path / "web.vtt"
    path.write_text(WEB_VTT, encoding="utf-8")
    assert formats.read(path) == [Cue(1.0, 2.5, ("Tom & Jerry", "2 < 3")), Cue(3600.0, 3601.0, ("one < two 😀",))]


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
        ("a.srt", b"\x00\x01\x02", "holds no text"),
        ("a.txt", b"words", "holds no times"),
        ("a.xyz", b"words", "no subtitle format 'xyz'; choose one of json, srt, txt, vtt"),
    ],
)
def test_what_is_no_subtitle_is_refused_by_name(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=reason):
        formats.read(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"none\.srt.*no such file"):
        formats.read(tmp_path / "none.srt")


# ---- plain text and JSON


def test_text_begins_a_paragraph_where_the_voice_rests() -> None:
    words = (Word("One", 0.0, 0.5), Word("two.", 0.5, 1.0), Word("Three.", 2.9, 3.0), Word("Four.", 5.0, 5.5))
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
    assert (tmp_path / "talk.VTT").read_text(encoding="utf-8").startswith("WEBVTT\n\n00:00:01.000 -->")


def test_a_format_named_beats_the_extension(tmp_path: Path) -> None:
    formats.write(tmp_path / "talk.part", iter(CUES), iter(WORDS), format="json", source="a.mkv", seconds=9.0)
    assert json.loads((tmp_path / "talk.part").read_text(encoding="utf-8"))["source"] == "a.mkv"


def test_files_have_unix_line_ends_and_no_byte_order_mark(tmp_path: Path) -> None:
    formats.write(tmp_path / "talk.srt", CUES)
    data = (tmp_path / "talk.srt").read_bytes()
    assert data.startswith(b"1\n00:00:01,000 --> ")
    assert b"\r" not in data
    assert "Zoë".encode() in data


def test_an_unknown_format_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="choose one of json, srt, txt, vtt"):
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
    assert list(formats.find_formats()) == ["srt", "vtt", "txt", "json"]


def test_a_plugin_is_a_format_like_any_other(plugins: list[EntryPoint], tmp_path: Path) -> None:
    plugins.append(EntryPoint("shout", f"{__name__}:Shout", GROUP))
    formats.write(tmp_path / "talk.loud", CUES)
    assert (tmp_path / "talk.loud").read_text(encoding="utf-8") == "TOM & ZOË ASKED:\nIS 3 < 4?"
    assert formats.get_format("shout") is formats.get_format(".loud")


@pytest.mark.parametrize("value", ["no_such_module:Format", f"{__name__}:Absent", f"{__name__}:Mute"])
def test_a_broken_plugin_is_named_and_left_out(
    value: str, plugins: list[EntryPoint], caplog: pytest.LogCaptureFixture
) -> None:
    plugins.append(EntryPoint("broken", value, GROUP))
    with caplog.at_level(logging.WARNING):
        assert list(formats.find_formats()) == ["srt", "vtt", "txt", "json"]
    assert "The plugin broken of gptasr-subs is left out" in caplog.text


def test_a_broken_plugin_does_not_replace_a_built_in(plugins: list[EntryPoint]) -> None:
    plugins.append(EntryPoint("srt", "no_such_module:Srt", GROUP))
    assert formats.render(DOCUMENT, "srt").startswith("1\n")


def test_the_package_declares_what_it_offers_as_entry_points() -> None:
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    declared = project["project"]["entry-points"]
    assert declared == {f"gptasr_subs.{kind}": own for kind, own in BUILT_IN.items() if own}


def test_importing_formats_does_not_import_pysrt() -> None:
    code = "import sys, gptasr_subs.formats; sys.exit('pysrt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent).returncode == 0
