"""The table of norms, its flags, and what the docs say of it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from gptasr_subs.cues.norms import PRESETS, Norms
from gptasr_subs.formats import read
from tests.support.ended import Program, one_line
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import make_film

PAGE = (Path(__file__).parents[2] / "docs" / "subtitles.md").read_text(encoding="utf-8")
FLAGS = [norm.name for norm in fields(Norms) if norm.metadata]


def test_the_docs_show_the_table_of_norms() -> None:
    rows = [
        [
            f"`--{name.replace('_', '-')}`",
            *(f"{round(getattr(norms, name), 3):g}" for norms in PRESETS.values()),
        ]
        for name in FLAGS
    ]
    shown = [
        re.split(r" ?\| ?", line)[1:-2] for line in PAGE.splitlines() if line.startswith("| `--")
    ]
    assert shown == rows
    assert f"| norm | {' | '.join(f'`{name}`' for name in PRESETS)} |" in PAGE


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "talk.wav")


def lines_of(film: Path) -> list[tuple[str, ...]]:
    return [cue.lines for cue in read(film.with_suffix(".en.srt"))]


def test_a_preset_is_kept_and_a_flag_beats_it(
    film: Path, program: Program, fake: FakeRecognizer
) -> None:
    assert program(film).code == 0
    assert lines_of(film) == [("one two three",), ("four Five.",)]
    assert program(film, "--overwrite", "--preset", "social", "--max-chars", "9").code == 0
    assert lines_of(film) == [("one two",), ("three",), ("four",), ("Five.",)]
    assert program(film, "--overwrite", "--lead-out", "0").code == 0
    assert read(film.with_suffix(".en.srt"))[-1].end == pytest.approx(5.9, abs=0.05)


def test_norms_that_no_cue_keeps_are_refused_in_a_sentence(film: Path, program: Program) -> None:
    for flags, reason in {
        ("--max-chars", "0"): "raise --max-chars",
        ("--max-seconds", "0.1"): "reach its shortest",
    }.items():
        ended = program(film, *flags)
        assert ended.code == 2 and reason in one_line(ended.err)


def test_an_unknown_preset_is_refused(film: Path, program: Program) -> None:
    ended = program(film, "--preset", "ebu")
    assert ended.code == 2 and "netflix" in ended.err
