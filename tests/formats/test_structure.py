r"""What is structure is not read as text, and what is text not as structure."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptasr_subs import formats
from gptasr_subs.cues.markup import plain
from gptasr_subs.formats import Document, Reading
from gptasr_subs.formats.ass import Ass
from gptasr_subs.formats.lrc import Lrc
from gptasr_subs.formats.sbv import Sbv
from gptasr_subs.formats.srt import Srt
from gptasr_subs.formats.vtt import Vtt
from gptasr_subs.types import Cue

TIMES = ["00:00:01,000 --> 00:00:02,000", "00:00:03,000 --> 00:00:04,000"]


def texts(reading: Reading) -> list[str]:
    return [" / ".join(cue.lines) for cue in reading.cues]


# ---- numbers and blank lines


@pytest.mark.parametrize("number", ["2", "2.", "#2", "2)", "\u200f2", " 2 ", "99", "1"])
def test_numbers_of_cues_are_no_text(number: str) -> None:
    text = f"1\n{TIMES[0]}\none\n\n{number}\n{TIMES[1]}\ntwo\n"
    assert texts(Srt().parse(text)) == ["one", "two"]


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\n\r"])
def test_doubled_line_ends_change_nothing(end: str, tmp_path: Path) -> None:
    lines = ["1", TIMES[0], "one", "and more", "", "2", TIMES[1], "two", ""]
    (tmp_path / "a.srt").write_bytes(end.join(lines).encode())
    assert [cue.lines for cue in formats.read(tmp_path / "a.srt")] == [
        ("one", "and more"),
        ("two",),
    ]


def test_doubled_line_ends_of_webvtt() -> None:
    lines = [
        "WEBVTT",
        "",
        "00:01.000 --> 00:02.000",
        "one",
        "and more",
        "",
        "00:03.000 --> 00:04.000",
        "two",
    ]
    assert texts(Vtt().parse("\n\n".join(lines))) == ["one / and more", "two"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{TIMES[0]}\nHow many?\n42\n{TIMES[1]}\n1984\n", ["How many? / 42", "1984"]),
        (f"{TIMES[0]}\n3\n\n{TIMES[1]}\n2\n", ["3", "2"]),
        (f"1\n{TIMES[0]}\nThree\n\n3\n\n2\n{TIMES[1]}\n1\n", ["Three / 3", "1"]),
        (f"1\n{TIMES[0]}\n42\n2\n{TIMES[1]}\n14\n", ["42", "14"]),
        (f"1\n\n{TIMES[0]}\none\n\n2\n\n{TIMES[1]}\ntwo\n\n3\n", ["one", "two"]),
    ],
)
def test_numbers_that_are_said_stay(text: str, said: list[str]) -> None:
    assert texts(Srt().parse(text)) == said


EMPTY = {
    "without a line": "\n\n2\n",
    "with blank lines": "\n\n\n\n2\n",
    "before a number at once": "\n2\n",
}


@pytest.mark.parametrize("kind", EMPTY)
def test_an_empty_cue_takes_no_text_and_no_number_of_the_next(kind: str) -> None:
    reading = Srt().parse(f"1\n{TIMES[0]}{EMPTY[kind]}{TIMES[1]}\ntwo\n")
    assert texts(reading) == ["", "two"] and reading.remarks == ()


def test_cues_of_no_time_do_not_end_the_file() -> None:
    never = "00:00:00,00 --> 00:00:00,00"
    text = f"1\n{TIMES[0]}\none\n\n2\n{never}\n\n3\n{never}\n\n4\n{TIMES[1]}\ntwo\n"
    assert texts(Srt().parse(text)) == ["one", "", "", "two"]


def test_line_ends_of_all_kinds_in_one_file(tmp_path: Path) -> None:
    text = (
        f"1\r\n{TIMES[0]}\r\none\r\n1\r{TIMES[1]}\rtwo\r\r1\n"
        "00:00:05,000 --> 00:00:06,000\nthree\n\nand more\n\n\n"
        "99\n00:00:07,000 --> 00:00:08,000\nfour\n\n\x1a"
    )
    (tmp_path / "a.srt").write_bytes(text.encode())
    assert [cue.lines for cue in formats.read(tmp_path / "a.srt")] == [
        ("one",),
        ("two",),
        ("three", "and more"),
        ("four",),
    ]


@pytest.mark.parametrize("mark", ["\u200f", "\u200e", "\u202b"])
def test_marks_of_direction_stay_with_the_text_alone(mark: str) -> None:
    lines = ["1", TIMES[0], "one", "", "2", TIMES[1], "two"]
    reading = Srt().parse("\n".join(mark + line if line else line for line in lines))
    assert reading.cues == [Cue(1.0, 2.0, (f"{mark}one",)), Cue(3.0, 4.0, (f"{mark}two",))]


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c"])
def test_rare_ends_of_lines_lose_no_word(end: str, tmp_path: Path) -> None:
    text = f"1\n{TIMES[0]}\n{end}one\n\n2\n{TIMES[1]}\nand{end}two\n"
    (tmp_path / "a.srt").write_bytes(text.encode())
    said = [" ".join(cue.lines).split() for cue in formats.read(tmp_path / "a.srt")]
    assert said == [["one"], ["and", "two"]]


def test_text_above_the_first_times_is_told() -> None:
    reading = Srt().parse(f"Made by somebody\n\n1\n{TIMES[0]}\none\n")
    assert texts(reading) == ["one"] and "'Made by somebody'" in reading.remarks[0]


# ---- times


@pytest.mark.parametrize(
    "line",
    [
        "00:00:O1,000 --> 00:00:02,000",
        "00:00:0l,000 --> 00:00:02,000",
        "00:00:01,000 -> 00:00:02,000",
        "00:00:01,000 ---> 00:00:02,000",
        "00:00:01,000 => 00:00:02,000",
        "00:00:01,000 → 00:00:02,000",
        "00:00:01,000 – 00:00:02,000",
        "00:00:01,000-00:00:02,000",
        "00:00:01,000 --&gt; 00:00:02,000",
        "00 : 00 : 01 , 000 - - > 00 : 00 : 02 , 000",
        "00;00;01,000 --> 00;00;02,000",
        "00:00:01;000 --> 00:00:02;000",
        "00.00.01,000 --> 00.00.02,000",
        "\u200e00:00:01,000\u200e --> \u200e00:00:02,000",
        "００：００：０１，０００ --> ００：００：０２，０００",
        "٠٠:٠٠:٠١,٠٠٠ --> ٠٠:٠٠:٠٢,٠٠٠",
    ],
)
def test_times_as_others_write_them(line: str) -> None:
    assert Srt().parse(f"1\n{line}\none\n\n2\n{TIMES[1]}\ntwo\n").cues == [
        Cue(1.0, 2.0, ("one",)),
        Cue(3.0, 4.0, ("two",)),
    ]


def test_a_missing_end_is_the_next_start_and_told() -> None:
    reading = Srt().parse(f"1\n00:00:01,000 -->\none\n\n2\n{TIMES[1]}\ntwo\n")
    assert reading.cues[0] == Cue(1.0, 3.0, ("one",)) and "no end" in reading.remarks[0]


@pytest.mark.parametrize(
    "line", ["00:00:xx,000 --> 00:00:04,000", "--> 00:00:04,000", "00:00:03 --> later"]
)
def test_times_that_cannot_be_read_are_no_text_and_their_text_is_told(line: str) -> None:
    reading = Srt().parse(f"1\n{TIMES[0]}\none\n\n2\n{line}\ntwo\n")
    assert texts(reading) == ["one"]
    assert "left out" in reading.remarks[0]


@pytest.mark.parametrize("said", ["a --> b", "It is 10:30 - or 10:45.", "from 5 -> 6", "2:1 > 1:2"])
def test_arrows_and_clocks_that_are_said_stay(said: str) -> None:
    assert texts(Srt().parse(f"1\n{TIMES[0]}\n{said}\n")) == [said]


@pytest.mark.parametrize("name", ["srt", "vtt", "ass", "ttml", "sbv", "lrc"])
@pytest.mark.parametrize(
    "said",
    [
        "00:00:03,000 – 00:00:04,000",
        "00:00:xx --> 00:00:04",
        "0:00:01.000,0:00:02.000",
        "[00:01.00]x",
    ],
)
def test_text_like_times_reads_back(name: str, said: str) -> None:
    written = formats.render(Document((Cue(1.0, 2.0, (said,)),)), name)
    (back,) = formats.get_format(name).read(written)  # type: ignore[attr-defined]
    seen = plain(back.text).replace("\u2060", "")
    assert seen.replace(" ", "") == said.replace(" ", "")


@pytest.mark.parametrize(
    ("line", "start"),
    [("-0:00:01.00", 0.0), ("0:00:03.200", 3.2), ("00:03.20", 3.2), ("0:00:03", 3.0)],
)
def test_times_of_ass_as_others_write_them(line: str, start: float) -> None:
    reading = Ass().parse(f"[Events]\nDialogue: 0,{line},0:00:09.00,Default,,0,0,0,,Hello.\n")
    assert reading.cues == [Cue(start, 9.0, ("Hello.",))]


def test_dialogue_without_times_is_told() -> None:
    reading = Ass().parse("[Events]\nDialogue: 0,soon,0:00:09.00,Default,,0,0,0,,{\\i1}Hello.\n")
    assert not reading.cues and "'Hello.'" in reading.remarks[0]


def test_lines_of_lyrics_without_a_time_are_told() -> None:
    reading = Lrc().parse("[ar:Me]\n[00:01.00]La\nli\n[01:00:02.50]lo\n")
    assert [cue.start for cue in reading.cues] == [1.0, 3602.5] and "'li'" in reading.remarks[0]


def test_sbv_with_damaged_times_is_told() -> None:
    reading = Sbv().parse("0:00:01.000,0:00:02.000\none\n\n0:00:xx.000,0:00:04.000\ntwo\n")
    assert texts(reading) == ["one"] and "left out" in reading.remarks[0]


# ---- paragraphs of WebVTT


def test_a_paragraph_of_webvtt_without_times_is_told() -> None:
    cues = [
        "00:01.000 --> 00:02.000\none",
        "and two\nthree",
        "NOTE y",
        "00:03.000 --> 00:04.000\nx",
    ]
    reading = Vtt().parse("\n\n".join(["WEBVTT", *cues]))
    assert texts(reading) == ["one", "x"] and "'and two'" in reading.remarks[0]


def test_joined_segments_have_no_header_as_text() -> None:
    segment = (
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n"
        "00:0{}.000 --> 00:0{}.500\nhello\n\n"
    )
    reading = Vtt().parse(segment.format(1, 1) + segment.format(2, 2))
    assert texts(reading) == ["hello", "hello"] and reading.remarks == ()


def test_the_clock_of_a_broadcast_moves_no_time() -> None:
    text = (
        "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:19:04.000,MPEGTS:102972690\n\n"
        "19:30.000 --> 19:32.000\nhello\n"
    )
    assert Vtt().parse(text) == Reading([Cue(1170.0, 1172.0, ("hello",))])


# ---- markup


LITERAL = "Use the <b> tag, {\\an8} and C:\\New for <i>this</i>"


@pytest.mark.parametrize("name", ["srt", "vtt", "ass", "ttml", "json"])
def test_text_that_looks_like_markup_stays_text_in_every_format(name: str) -> None:
    (cue,) = (
        Vtt()
        .parse("WEBVTT\n\n00:01.000 --> 00:02.000\nUse the &lt;b&gt; tag for <i>bold</i> text\n")
        .cues
    )
    written = formats.render(Document((cue,)), name)
    (back,) = formats.get_format(name).read(written)  # type: ignore[attr-defined]
    assert plain(back.text) == "Use the <b> tag for bold text"
    assert back.lines == cue.lines and "<i>bold</i>" in back.text


@pytest.mark.parametrize(
    ("srt", "text"),
    [
        ("<s>struck</s>", "<s>struck</s>"),
        ("<em>so</em> <strong>it</strong>", "<i>so</i> <b>it</b>"),
        ("one<br>two<br/>three", "one / two / three"),
        ("<span class='x'>one</span>", "one"),
        ("I <3 you and a < b > c", "I <3 you and a < b > c"),
        (
            "see <https://example.org> or <jo@example.org>",
            "see <https://example.org> or <jo@example.org>",
        ),
    ],
)
def test_tags_of_html_in_subrip(srt: str, text: str) -> None:
    assert texts(Srt().parse(f"1\n{TIMES[0]}\n{srt}\n")) == [text]


def test_readings_of_signs_stand_in_brackets() -> None:
    text = (
        "WEBVTT\n\n00:01.000 --> 00:02.000\n"
        "<lang ja><ruby>base<rt>top</rt></ruby></lang> <v B &amp; J>x</v>\n"
    )
    assert texts(Vtt().parse(text)) == ["base(top) <v B & J>x</v>"]


@pytest.mark.parametrize(
    ("line", "text", "place"),
    [
        (r"{\an8\i1}TOP{\i0}", "<i>TOP</i>", 8),
        (r"{\pos(10,20)\an8}TOP", "TOP", 8),
        (r"{\a6}TOP", "TOP", 8),
        (r"{\fad(200, 200)\c&H00FFFF&}SLOW", "SLOW", 2),
        ("{an8}TOP", "TOP", 8),
        (r"{ \an8 }TOP", "TOP", 8),
        ("{y:i}slanted", "<i>slanted</i>", 2),
        (r"one\Ntwo\hthree", "one / two\N{NO-BREAK SPACE}three", 2),
        (r"C:\New and \\host\New", r"C:\New and \\host\New", 2),
        ("{sic} so {it} is", "{sic} so {it} is", 2),
        (r"{\b0}plain", "plain", 2),
    ],
)
@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_codes_of_ass_are_no_text(name: str, line: str, text: str, place: int) -> None:
    content = f"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n{line}\n"
    (cue,) = formats.get_format(name).read(content)  # type: ignore[attr-defined]
    assert (" / ".join(cue.lines), cue.position) == (text, place)


@pytest.mark.parametrize("name", ["srt", "vtt", "ass", "ttml", "json"])
def test_codes_that_are_text_read_back(name: str) -> None:
    cue = Cue(1.0, 2.0, (r"Write {\an8} or {an8}", r"for \N and C:\New"))
    (back,) = formats.get_format(name).read(formats.render(Document((cue,)), name))  # type: ignore[attr-defined]
    assert back == cue


def test_syllables_of_songs_are_words_again() -> None:
    text = (
        "[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,"
        "{\\k20}Ka{\\k30}ra{\\K25}o{\\kf40}ke {\\ko10}line\n"
    )
    assert texts(Ass().parse(text)) == ["Karaoke line"]


def test_a_drawing_is_no_text_but_what_stands_beside_it_is() -> None:
    text = (
        "[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,"
        "{\\p1}m 0 0 l 1 1{\\p0}\\NHello {\\b0}there\n"
    )
    assert texts(Ass().parse(text)) == ["Hello there"]


# ---- names


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("a.ssa", "ass"),
        ("a.dfxp", "ttml"),
        ("a.xml", "ttml"),
        ("a.itt", "ttml"),
        ("a.webvtt", "vtt"),
    ],
)
def test_other_names_of_the_same_formats(name: str, like: str, tmp_path: Path) -> None:
    cues = [Cue(1.0, 2.0, ("Hello.",))]
    (tmp_path / name).write_text(formats.render(Document(tuple(cues)), like))
    assert formats.read(tmp_path / name) == cues
    formats.write(tmp_path / f"b.{name}", cues)
    assert (tmp_path / f"b.{name}").read_text() == (tmp_path / name).read_text()


@pytest.mark.parametrize("like", ["vtt", "ass", "ttml"])
def test_a_file_with_a_wrong_suffix_is_read_as_what_it_is(like: str, tmp_path: Path) -> None:
    cues = [Cue(1.0, 2.0, ("Hello.",))]
    (tmp_path / "a.srt").write_text(formats.render(Document(tuple(cues)), like))
    assert formats.read(tmp_path / "a.srt") == cues


def test_a_text_for_lines_in_json_is_split_into_lines(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"cues": [{"start": 1, "end": 2, "lines": "Hello\\nthere"}]}')
    assert formats.read(tmp_path / "a.json") == [Cue(1.0, 2.0, ("Hello", "there"))]


@pytest.mark.parametrize("nothing", ["\u200b", "\u200f \u200b", "\u00ad", "\ufeff"])
def test_a_cue_of_signs_that_nobody_sees_holds_no_text(nothing: str, tmp_path: Path) -> None:
    file = tmp_path / "a.srt"
    times = ["00:00:01,000 --> 00:00:02,000", "00:00:03,000 --> 00:00:04,000"]
    file.write_text(f"1\n{times[0]}\n{nothing}\n\n2\n{times[1]}\n\u200fa\u200bb\n", "utf-8")
    assert [cue.text for cue in formats.read(file)] == ["", "\u200fa\u200bb"]
