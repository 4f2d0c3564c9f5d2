"""Every rule is broken by the cue made for it and by no other; cues shaped here break none."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptasr_subs.cues.lint import RULES, lint
from gptasr_subs.cues.norms import BBC, NETFLIX, SOCIAL, Norms
from gptasr_subs.cues.shaping import shape_cues
from gptasr_subs.types import Cue, Word
from tests.support.cue_maker import CLEAN, FAULTS, any_norms, crowds, patiently, presets, wild_words

ERRORS = {"lines", "line-length", "order", "overlap", "double", "no-time", "too-long"}


def test_a_clean_file_has_no_faults() -> None:
    report = lint(CLEAN)
    assert report.violations == () and report.score == 100.0 and report.rules() == {}


def test_every_rule_has_its_planted_fault() -> None:
    assert list(FAULTS) == [*dict.fromkeys(rule.name for rule in RULES)]
    assert {rule.name for rule in RULES if rule.severity == "error"} == ERRORS


@pytest.mark.parametrize("rule", FAULTS)
def test_a_planted_fault_is_found_where_it_is_and_no_other(rule: str) -> None:
    planted, guilty = FAULTS[rule]
    (violation,) = lint([*CLEAN[:3], *planted, *CLEAN[3:]]).violations
    assert (violation.rule, violation.cue) == (rule, 4 + guilty)
    assert violation.severity == ("error" if rule in ERRORS else "warning")
    assert violation.start == planted[guilty].start
    assert violation.message


def test_all_planted_faults_are_found_together() -> None:
    file, expected = [*CLEAN[:3]], []
    for n, (rule, (planted, guilty)) in enumerate(FAULTS.items()):
        expected.append((rule, len(file) + 1 + guilty))
        file += [Cue(cue.start + 20 * n, cue.end + 20 * n, cue.lines) for cue in planted]
    report = lint(file)
    found = [(violation.rule, violation.cue) for violation in report.violations]
    assert set(expected) <= set(found) and found == sorted(
        found, key=lambda violation: violation[1]
    )
    assert (report.errors, report.warnings) == (len(ERRORS), len(found) - len(ERRORS))


def test_each_preset_has_its_own_limits() -> None:
    cue = Cue(1.0, 3.0, ("We walked along the long river all day,",))  # 39 characters in 2 s
    assert lint([cue], NETFLIX).violations == ()
    assert lint([cue], BBC).rules() == {"line-length": 1, "too-short": 1, "too-fast": 1}
    assert "240 words a minute, at most 180" in [
        violation.message for violation in lint([cue], BBC).violations
    ]
    assert lint([cue], SOCIAL).rules() == {"line-length": 1}


def test_a_gap_rounded_by_a_format_is_no_fault() -> None:
    for step in (0.001, 0.01):
        cues = [
            Cue(
                round(k * 2 / step) * step,
                round((k * 2 + 2 - 2 / 24) / step) * step,
                ("So it is.",),
            )
            for k in range(9)
        ]
        assert lint(cues).violations == ()


@patiently
@given(wild_words(), any_norms())
def test_what_is_shaped_has_no_errors(words: list[Word], norms: Norms) -> None:
    cues = shape_cues(words, norms)
    report = lint(cues, norms)
    assert report.errors == 0 and "empty" not in report.rules()
    assert "gap" not in report.rules() or any(
        crowds(*pair, norms) for pair in itertools.pairwise(cues)
    )


some_cue = st.builds(
    lambda start, seconds, lines: Cue(start, start + seconds, tuple(lines)),
    st.floats(0, 60),
    st.floats(-1, 12),
    st.lists(
        st.sampled_from(["", "-", "the", "<i>we went</i>", "x" * 60, "of the long road " * 4]),
        max_size=4,
    ),
)


@settings(deadline=None)
@given(st.lists(some_cue, max_size=6), presets)
def test_a_file_without_errors_keeps_the_norms_of_errors(cues: list[Cue], norms: Norms) -> None:
    """The rules against a second, plainer way to say the same."""
    plain = [
        [line.replace("<i>", "").replace("</i>", "").strip() for line in cue.lines] for cue in cues
    ]
    kept = all(0 < cue.end - cue.start <= norms.max_seconds for cue in cues)
    kept &= all(len(lines) <= norms.max_lines for lines in plain)
    kept &= all(
        len(line) <= norms.max_chars or " " not in line for lines in plain for line in lines
    )
    kept &= all(a.end <= b.start for a, b in itertools.pairwise(cues))
    grace = any(
        norms.max_seconds < cue.end - cue.start <= norms.max_seconds + 0.0101 for cue in cues
    )
    assert grace or (lint(cues, norms).errors == 0) == kept


def test_a_phrase_that_is_parted_within_a_cue_is_no_matter_of_the_next() -> None:
    cues = [Cue(1.0, 3.0, ("We walked along the", "river all day.")), Cue(4.0, 5.0, ("Yes.",))]
    (violation,) = lint(cues).violations
    assert (violation.rule, violation.cue, violation.pair) == ("split-phrase", 1, False)
