"""Files of other tools come within the norms with every word, and what was right stays."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptasr_subs.cues.lint import lint
from gptasr_subs.cues.markup import plain
from gptasr_subs.cues.norms import BBC, NETFLIX, PRESETS, SOCIAL, Norms
from gptasr_subs.cues.repair import fix_cues
from gptasr_subs.formats import read
from gptasr_subs.types import Cue
from tests.support.cue_maker import CLEAN, FAULTS, OTHER_TOOL, patiently, presets, words_of


def in_order(cues: list[Cue]) -> list[Cue]:
    return sorted(cues, key=lambda cue: cue.start)


def at(place: int, cues: list[Cue]) -> list[Cue]:
    return [cue for cue in cues if cue.position == place]


@pytest.mark.parametrize("preset", PRESETS)
def test_the_output_of_another_tool_comes_within_the_norms(preset: str) -> None:
    cues, norms = read(OTHER_TOOL), PRESETS[preset]
    assert {"lines", "line-length", "overlap", "no-time", "too-long"} <= set(
        lint(cues, norms).rules()
    )
    fixed = fix_cues(cues, norms)
    report = lint(fixed, norms)
    assert report.errors == 0
    assert words_of(fixed) == words_of(in_order(cues))
    assert fix_cues(fixed, norms) == fixed


def test_a_clean_file_stays_as_it_is() -> None:
    assert fix_cues(CLEAN) == CLEAN


@pytest.mark.parametrize("rule", FAULTS)
def test_a_fault_is_mended_and_its_clean_neighbours_are_left_alone(rule: str) -> None:
    planted, _ = FAULTS[rule]
    fixed = fix_cues([*CLEAN[:3], *planted, *CLEAN[3:]])
    assert fixed[:3] == CLEAN[:3] and fixed[-2:] == CLEAN[3:]
    said = {"double": ["We", "walked."], "rolling": ["We", "walked.", "We", "ran.", "We", "sang."]}
    assert words_of(fixed[3:-2]) == said.get(rule, words_of(in_order(planted)))
    left = lint(fixed).rules()
    assert left == ({rule: 1} if rule == "long-word" else {})


def test_what_is_right_keeps_its_times() -> None:
    cues = in_order(read(OTHER_TOOL))
    fixed = fix_cues(cues)
    faulty = {violation.cue for violation in lint(cues).violations}
    assert [cue for n, cue in enumerate(cues, start=1) if n not in faulty] == [cues[6], cues[8]]
    assert {cues[6], cues[8]} <= set(fixed)
    starts = {cue.start for cue in fixed}
    assert [cue.start for cue in cues if cue.start not in starts] == []


text_lines = st.lists(
    st.one_of(
        st.lists(
            st.sampled_from(["the", "we", "went.", "and", "x" * 50, "[a door slams]", "Mr."]),
            min_size=1,
            max_size=25,
        ).map(" ".join),
        st.sampled_from(
            [
                "- Who?",
                "-Me.",
                "<i>so it is</i>",
                "<i>open",
                "",
                " ",
                '<font color="red">a b</font>',
                "♪ la ♪",
            ]
        ),
    ),
    max_size=4,
)
any_cues = st.lists(
    st.builds(
        lambda start, seconds, lines, place: Cue(start, start + seconds, tuple(lines), place),
        st.one_of(st.floats(0, 30), st.integers(0, 5).map(float)),
        st.one_of(st.floats(-1, 15), st.sampled_from([0.0, 0.5, 2.0])),
        text_lines,
        st.sampled_from([2, 2, 8]),
    ),
    max_size=8,
)


@patiently
@given(any_cues, presets)
def test_whatever_the_cues_nothing_is_an_error_and_no_word_is_lost(
    cues: list[Cue], norms: Norms
) -> None:
    fixed = fix_cues(cues, norms)
    report = lint(fixed, norms)
    assert report.errors == 0
    for place in {cue.position for cue in cues}:
        assert set(words_of(at(place, fixed))) == set(words_of(at(place, cues)))
    assert {cue.position for cue in fixed} <= {cue.position for cue in cues}
    assert fix_cues(fixed, norms) == fixed
    known = {(cue.start, cue.end, cue.lines) for cue in cues}
    for cue in fixed:
        if (cue.start, cue.end, cue.lines) not in known:
            assert all(line.count("<i>") == line.count("</i>") for line in cue.lines)


def test_markup_stays_with_its_words() -> None:
    text = "He said <i>that nobody should ever read</i> such <b>a long <u>line</u></b> at all."
    fixed = fix_cues([Cue(1.0, 7.0, (text,))])
    lines = [line for cue in fixed for line in cue.lines]
    assert len(lines) == 2 and all(len(plain(line)) <= 42 for line in lines)
    for tag, words in {
        "i": "that nobody should ever read",
        "b": "a long line",
        "u": "line",
    }.items():
        inside = " ".join(
            part for line in lines for part in re.findall(rf"<{tag}>(.*?)</{tag}>", line)
        )
        assert plain(inside).split() == words.split()


def test_speakers_keep_their_lines_and_sound_tags_stay_whole() -> None:
    cues = [
        Cue(
            1.0,
            6.0,
            (
                "- Who is there?",
                "- It is me, the man from the garage.",
                "- [a door slams] Come in!",
            ),
        ),
        Cue(6.1, 9.0, ("[wind howls in the chimney and the shutters bang] It is cold outside.",)),
    ]
    lines = [line for cue in fix_cues(cues) for line in cue.lines]
    assert [line for line in lines if line.startswith("-")][:2] == [
        "- Who is there?",
        "- It is me,",
    ] or lines[0] == "- Who is there?"
    assert all(line.startswith("- ") or " - " not in line for line in lines)
    assert any("[a door slams]" in line for line in lines)


def test_what_is_heard_is_described_over_cues_without_a_break() -> None:
    cues = [
        Cue(1.0, 4.0, ("[thunder over the valley,", "dogs barking in several")),
        Cue(4.1, 6.0, ("houses]",)),
        Cue(7.0, 10.0, ("♪ Row, row, row your boat gently down the stream ♪♪",)),
        Cue(11.0, 13.0, ("(COUGHS) (LAUGHS) (KNOCKING) (DOOR OPENS) (STEPS)",)),
        Cue(14.0, 17.0, ("Who was that?", "- I do not know. Let us go and look for him at once.")),
    ]
    fixed = fix_cues(cues)
    assert words_of(fixed) == words_of(cues)
    assert fixed[0].text.startswith("[thunder") and fixed[0].text.endswith("houses]")
    lines = [line for cue in fixed for line in cue.lines]
    noises = [line for line in lines if "(" in line or ")" in line]
    assert noises and all(line.count("(") == line.count(")") for line in noises)
    assert any(line.startswith("- I do") for line in lines)
    assert all(" - " not in line for line in lines)


LETTERS = {
    "an address": "https://www.example.org/a/long/way/that/fits/no/line?id=1234567890&x=y",
    "amounts": "It costs $1,234.56 or £999, i.e. 50 % of it — no. 7, at 10:30 p.m. on 12/31.",
    "a script without spaces": "君がそうだったように僕がここに忘れたものを君は覚えているだろう",
    "joined signs": "👩\u200d👩\u200d👧\u200d👦 🏳️\u200d🌈 👍🏽 🇩🇪 e\u0301te\u0301 and more of it",
    "from right to left": "مرحبا كيف حالك اليوم يا صديقي العزيز؟ أتمنى أن تكون بخير",
    "Thai": "ไม่มีช่องว่างระหว่างคำในภาษาไทยดังนั้นบรรทัดยาวจะไม่ถูกตัดคำเลย",
    "a long word": "a" * 98 + " and so on",
}


@pytest.mark.parametrize("kind", LETTERS)
def test_every_letter_of_any_script_is_kept_and_words_stay_whole(kind: str) -> None:
    after = Cue(7.0, 9.0, ("So it is.",))
    *shown, last = fix_cues([Cue(1.0, 4.0, (LETTERS[kind],)), after])
    assert [word for cue in shown for word in cue.text.split()] == LETTERS[kind].split()
    assert last == after


def test_positions_do_not_mix() -> None:
    cues = [Cue(1.0, 2.0, ("Up here",), 8), Cue(2.0, 3.0, ("and down here",), 2)]
    assert [(cue.lines, cue.position) for cue in fix_cues(cues)] == [
        (("Up here",), 8),
        (("and down here",), 2),
    ]


def test_what_stood_too_short_stays_for_reading_if_there_is_room() -> None:
    (first, second) = fix_cues(
        [Cue(1.0, 2.0, ("We walked along the river all day.",)), Cue(9.0, 11.0, ("We ran.",))]
    )
    assert (first.start, first.end) == (1.0, pytest.approx(2.7))
    assert second == Cue(9.0, 11.0, ("We ran.",))


def test_what_stood_for_ages_ends_after_the_longest_time() -> None:
    assert fix_cues([Cue(1.0, 60.0, ("I see.",))]) == [Cue(1.0, 8.0, ("I see.",))]


def test_one_short_line_for_small_screens() -> None:
    fixed = fix_cues(
        [
            Cue(
                1.0,
                6.0,
                ("They found a broad river that was full of fish and", "of birds and of frogs."),
            )
        ],
        SOCIAL,
    )
    assert all(len(cue.lines) == 1 and len(cue.lines[0]) <= 24 for cue in fixed)


def test_a_thousand_faulty_cues_do_not_take_long() -> None:
    import time

    text = "They found a broad river full of fish, of birds and of frogs, and so they stayed there."
    cues = [Cue(5.0 * k, 5.0 * k + (5.2 if k % 3 else 2.0), (text,)) for k in range(1000)]
    begun = time.process_time()
    assert lint(fix_cues(cues, NETFLIX)).errors == 0
    assert time.process_time() - begun < 20.0


def test_a_sign_in_capitals_without_a_place_does_not_run_into_what_is_said() -> None:
    texts = ["I saw him at the", "CITY HALL, 1956", "old station, OK", "OK, he was gone."]
    cues = [Cue(2.0 * k, 2.0 * k + 2, (text,)) for k, text in enumerate(texts)]
    shown = [cue.text for cue in fix_cues(cues)]
    assert "CITY HALL, 1956" in shown
    assert " ".join(shown).split() == " ".join(texts).split()


LONG = ("One two three four five six seven", "eight nine ten eleven twelve.")


def test_a_cue_of_no_time_gets_the_room_before_it() -> None:
    right = Cue(10.0, 12.0, ("Come here.",))
    moment = Cue(9.917, 9.917, LONG)
    shown, fixed = fix_cues([moment, right])
    assert fixed == right
    assert moment.start - shown.start == pytest.approx(NETFLIX.long_pause)  # no earlier
    assert right.start - shown.end == pytest.approx(NETFLIX.gap)


@pytest.mark.parametrize("spare", [0.0, 0.1, 2.0])
def test_cues_beside_one_of_no_time_give_way_as_far_as_they_can(spare: float) -> None:
    """Where gaps are not asked for, it may stand amid cues that touch."""
    texts = ("Yes, I have been there.", "No, I have not been.")
    shown = 5 / 3 + spare  # five words are read in 5/3 s
    first = Cue(5.0, 5.0 + shown, texts[:1])
    last = Cue(first.end, first.end + shown, texts[1:])
    fixed = fix_cues([first, Cue(last.start, last.start, LONG), last], BBC)
    assert words_of(fixed) == words_of([first, Cue(0, 0, LONG), last])
    violations = lint(fixed, BBC).violations
    assert {(v.cue, v.severity, v.pair) for v in violations} == {(2, "warning", False)}
    assert (fixed[0].start, fixed[-1].end) == (first.start, last.end)
    assert max(first.end - fixed[0].end, fixed[-1].start - last.start) <= 0.26
    assert fix_cues(fixed, BBC) == fixed


@pytest.mark.parametrize("text", ["Closed", "Closed for the day, I fear."])
def test_a_cue_that_is_followed_too_closely_gives_up_frames_and_nothing_else(text: str) -> None:
    first, second = Cue(1.0, 4.0, ("Open end",)), Cue(4.0, 6.0, (text,))
    shorter, same = fix_cues([first, second])
    assert same == second
    assert (shorter.start, shorter.lines) == (first.start, first.lines)
    assert same.start - shorter.end == pytest.approx(NETFLIX.gap)


@pytest.mark.parametrize("mark", ["- ", "-", "– ", ">> ", ">>> "])
def test_what_a_speaker_says_begins_a_line(mark: str) -> None:
    cues = [Cue(3.0, 5.0, ("Hello there",)), Cue(5.0, 7.5, (f"{mark}Bob: Hi", "again, my friend"))]
    lines = [line for cue in fix_cues(cues) for line in cue.lines]
    assert lines[0] == "Hello there"
    assert lines[1].startswith(f"{mark}Bob: Hi")


def test_what_three_say_at_once_stands_long_enough_to_be_read() -> None:
    texts = (">> (SPUTTERING)", ">> HEY!", ">> STOP IT!")
    after = Cue(3.1, 6.0, ("And then it was quiet again.",))
    first, second, last = fix_cues([*(Cue(1.0, 3.0, (text,)) for text in texts), after])
    assert (first.start, first.lines, second.lines) == (1.0, texts[:2], texts[2:])
    assert min(first.end - first.start, second.end - second.start) >= 0.8
    assert first.end < second.start < second.end < last.start
    assert last == after


def test_short_words_of_speakers_who_begin_at_once_share_a_subtitle() -> None:
    cues = [Cue(1.0, 3.0, (text,)) for text in ("- Hey!", "- Stop it!")]
    assert fix_cues(cues) == [Cue(1.0, 3.0, ("- Hey!", "- Stop it!"))]
