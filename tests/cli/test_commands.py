"""The commands beside the main one: evaluate, transcribe, models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ended import Ended, Program, one_line
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import make_film


@pytest.fixture
def clips(tmp_path: Path) -> Iterator[Path]:
    """A manifest of two clips, one of them recognised with an error, and a file that is no clip."""
    (tmp_path / "clips" / "more").mkdir(parents=True)
    make_film(tmp_path / "clips" / "a.wav")
    make_film(tmp_path / "clips" / "more" / "b.wav", [(0.5, "one"), (1.0, "two")], 2.0)
    manifest = tmp_path / "clips" / "clips.tsv"
    manifest.write_text(
        "path\tspeaker\ttext\na.wav\tann\tone two three four five\nmore/b.wav\tbob\tone three\n"
    )
    yield manifest


def test_evaluate_prints_the_scores(program: Program, fake: FakeRecognizer, clips: Path) -> None:
    ended = program("evaluate", clips, "--beams", "3")
    assert ended.code == 0 and ended.err == ""
    assert (
        "14.29 %" in ended.out
        and "0 insertions, 0 deletions, 1 substitutions in 7 words of 2 clips" in ended.out
    )
    lines = [line.split()[:3] for line in ended.out.splitlines()]
    assert ["bob", "50.00", "%"] in lines and ["ann", "0.00", "%"] in lines
    assert ["said", "one", "three"] in lines and ["written", "one", "two"] in lines
    assert fake.asked[0]["beams"] == 3


def test_evaluate_prints_json_for_programs(
    program: Program, fake: FakeRecognizer, clips: Path
) -> None:
    scores = json.loads(program("evaluate", clips, "--json", "--worst", "1").out)
    assert scores["wer"] == pytest.approx(100 / 7, abs=1e-3) and scores["substitutions"] == 1
    assert set(scores["speakers"]) == {"ann", "bob"} and len(scores["worst"]) == 1


def test_evaluate_scores_case_and_punctuation_too(
    program: Program, fake: FakeRecognizer, clips: Path
) -> None:
    assert "as written" not in program("evaluate", clips).out
    clips.write_text("path\ttext\na.wav\tOne, two three four Five.\nmore/b.wav\tONE TWO\n")
    ended = program("evaluate", clips)
    assert "WER        0.00 %" in ended.out and "as written 20.00 %" in ended.out
    scores = json.loads(program("evaluate", clips, "--json").out)
    assert scores["wer"] == 0 and scores["wer_with_case_and_punctuation"] == 20.0
    assert scores["interval_with_case_and_punctuation"] == [20.0, 20.0]


def test_evaluate_scores_what_it_can_and_names_what_it_cannot(
    program: Program, fake: FakeRecognizer, clips: Path
) -> None:
    clips.write_text(clips.read_text() + "gone.wav\tann\tone\n")
    ended = program("evaluate", clips)
    assert (
        ended.code == 1
        and "in 7 words of 2 clips" in ended.out
        and "gone.wav" in one_line(ended.err)
    )


def test_transcribe_writes_a_tsv_that_evaluate_reads(
    program: Program, fake: FakeRecognizer, clips: Path
) -> None:
    ended = program("transcribe", clips.parent)
    assert ended == Ended(
        0, "path\ttext\na.wav\tone two three four Five.\nmore/b.wav\tone two\n", ""
    )
    out = clips.parent / "heard.tsv"
    assert program("transcribe", clips.parent, "-o", out).code == 0
    assert out.read_text() == ended.out
    assert json.loads(program("evaluate", out, "--json").out)["wer"] == 0.0


def test_transcribe_keeps_a_file_that_is_there(
    program: Program, fake: FakeRecognizer, clips: Path
) -> None:
    before = clips.read_text()
    ended = program("transcribe", clips.parent, "-o", clips)
    assert ended.code == 1 and "is there already" in one_line(ended.err)
    assert clips.read_text() == before and fake.loads == []  # type: ignore[attr-defined]
    assert program("transcribe", clips.parent, "-o", clips, "--overwrite").code == 0


def test_transcribe_goes_on_after_a_bad_file(
    program: Program, fake: FakeRecognizer, clips: Path
) -> None:
    (clips.parent / "bad.mp4").write_text("no film")
    ended = program("transcribe", clips.parent)
    assert ended.code == 1 and ended.out.count("\n") == 3 and "bad.mp4" in one_line(ended.err)


def test_models_are_listed_as_a_table(program: Program) -> None:
    ended = program("models")
    header, *rows = ended.out.splitlines()
    assert ended.code == 0 and header.split()[:2] == ["NAME", "SIZE"]
    assert [row.split()[0] for row in rows] == ["medium", "medium-distilled", "small", "large"]


def test_pulling_what_cannot_be_had_is_one_sentence(program: Program) -> None:
    ended = program("models", "pull", "medium")
    assert ended.code == 1 and "No public home" in one_line(ended.err)
    assert program("models", "nix").code == 2
