"""TTML: text is found wherever its time stands, and text without one is told."""

from __future__ import annotations

import pytest

from gptasr_subs.formats import Reading
from gptasr_subs.formats.ttml import Ttml

HEAD = '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"'


def shown(body: str, head: str = "") -> list[tuple[float, float, str]]:
    cues = Ttml().parse(f"{HEAD} {head}>{body}</tt>").cues
    return [(cue.start, cue.end, " / ".join(cue.lines)) for cue in cues]


def div(inner: str, times: str = "") -> str:
    return f"<body><div {times}>{inner}</div></body>"


def parse(paragraphs: str) -> Reading:
    return Ttml().parse(f"{HEAD}>{div(paragraphs)}</tt>")


@pytest.mark.parametrize(
    ("body", "cues"),
    [
        (div("<p>One.</p>", 'begin="1s" end="3s"'), [(1, 3, "One.")]),
        ('<body begin="1s" dur="2s"><div><p>One.</p></div></body>', [(1, 3, "One.")]),
        (div("<p><span>a</span> <span>b</span></p>", 'begin="0s" end="60s"'), [(0, 60, "a b")]),
        (div('<p begin="1s" end="3s">One.</p>', 'begin="10s"'), [(11, 13, "One.")]),
        (div('<p begin="1s" end="9s">One.</p>', 'end="4s"'), [(1, 4, "One.")]),
        (
            div(
                '<p><span begin="1s" end="3s">One,</span><br/>'
                '<span begin="2s" end="3s">two.</span></p>'
            ),
            [(1, 3, "One,"), (2, 3, "two.")],
        ),
        (
            div(
                '<p begin="10s" end="13s">One <span begin="0.2s">two </span>'
                '<span begin="1s">three</span></p>'
            ),
            [(10, 13, "One two three")],
        ),
        (
            div(
                '<p dur="2s">a</p><p dur="3s">b</p><p begin="1s" dur="2s">c</p>',
                'timeContainer="seq"',
            ),
            [(0, 2, "a"), (2, 5, "b"), (6, 8, "c")],
        ),
        (
            div('<p begin="1s">One.</p><p begin="4s" end="6s">Two.</p>'),
            [(1, 4, "One."), (4, 6, "Two.")],
        ),
        (div('<p begin="1s">One.</p>'), [(1, 8, "One.")]),
    ],
)
def test_times_count_wherever_they_stand(body: str, cues: list[tuple[float, float, str]]) -> None:
    assert shown(body) == cues


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("00:00:01.5", 1.5),
        ("00:00:01,5", 1.5),
        ("01:02", 62.0),
        ("00:00:01:15", 1.6),
        ("00:00:01;15", 1.6),
        ("1.5", 1.5),
        ("1500ms", 1.5),
        ("50f", 2.0),
        ("25t", 1.0),
    ],
)
def test_times_as_other_programs_write_them(time: str, seconds: float) -> None:
    body = div(f'<p begin="{time}" end="100s">One.</p>')
    assert shown(body, 'ttp:frameRate="25"') == [(seconds, 100.0, "One.")]


def test_text_without_any_time_is_told() -> None:
    reading = parse('<p>Lost.</p><p begin="1s" end="2s">Kept.</p>')
    assert [cue.text for cue in reading.cues] == ["Kept."]
    assert reading.remarks == (
        "A line of text has no time that can be read and is left out: 'Lost.'.",
    )


def test_text_beside_a_timed_span_is_told() -> None:
    reading = parse('<p>Lost <span begin="1s" end="2s">kept.</span></p>')
    assert [cue.text for cue in reading.cues] == ["kept."]
    assert "'Lost'" in reading.remarks[0]


def test_a_missing_end_is_told() -> None:
    assert "no end" in parse('<p begin="1s">One.</p>').remarks[0]
