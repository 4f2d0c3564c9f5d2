"""``lint`` and ``fix`` as a person and a program use them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gptasr_subs import formats
from gptasr_subs.cues.lint import lint
from tests.support.cue_maker import CLEAN, OTHER_TOOL, words_of
from tests.support.ended import Program, one_line
from tests.support.films import names_in


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a clean and a faulty file."""
    formats.write(tmp_path / "clean.vtt", CLEAN)
    (tmp_path / "talk.en.srt").write_bytes(OTHER_TOOL.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_clean_file_is_said_to_be_clean(program: Program, desk: Path) -> None:
    ended = program("lint", "clean.vtt")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "clean.vtt: 0 errors and 0 warnings in 5 subtitles, 100 % of them without\n"


def test_each_fault_is_one_line_with_its_place(program: Program, desk: Path) -> None:
    ended = program("lint", "talk.en.srt", "clean.vtt")
    assert ended.code == 1
    assert (
        "talk.en.srt:1 00:00:01.000 error line-length: a line of 121 characters, at most 42"
        in ended.out.splitlines()
    )
    assert "talk.en.srt:2 00:00:09.400 error lines: 3 lines, at most 2" in ended.out.splitlines()
    assert (
        "in 9 subtitles, 22 % of them without" in ended.out and "clean.vtt: 0 errors" in ended.out
    )
    quiet = program("lint", "--quiet", "talk.en.srt")
    assert (
        quiet.code == 1
        and quiet.out.startswith("talk.en.srt: ")
        and "    3  line-length\n" in quiet.out
    )


def test_programs_get_json(program: Program, desk: Path) -> None:
    ended = program("lint", "--json", "talk.en.srt", "clean.vtt")
    content = json.loads(ended.out)
    faulty, clean = content["files"]
    assert (ended.code, clean["file"], clean["errors"], clean["score"], clean["violations"]) == (
        1,
        "clean.vtt",
        0,
        100.0,
        [],
    )
    assert (
        content["errors"]
        == faulty["errors"]
        == sum(violation["severity"] == "error" for violation in faulty["violations"])
        > 0
    )
    assert sum(faulty["rules"].values()) == len(faulty["violations"])
    assert faulty["violations"][0] == {
        "rule": "line-length", "severity": "error", "pair": False, "cue": 1, "start": 1.0,
        "message": "a line of 121 characters, at most 42",
    }  # fmt: skip


def test_a_guess_never_replaces_the_only_copy(program: Program, desk: Path) -> None:
    data = "1\n00:00:01,000 --> 00:00:03,000\nCafé naïve, garçon.\n".encode("cp1252")
    (desk / "old.srt").write_bytes(data)
    ended = program("fix", "--in-place", "old.srt")
    assert ended.code == 0
    assert "read as Windows-1252" in ended.err and "kept as old.srt.bak" in ended.err
    assert (desk / "old.srt.bak").read_bytes() == data
    assert "Café naïve, garçon." in (desk / "old.srt").read_text(encoding="utf-8")
    (desk / "old.srt").write_bytes(data)
    assert program("fix", "-o", "old.srt", "--overwrite", "--quiet", "old.srt").code == 0
    assert (desk / "old.srt.bak1").read_bytes() == data


def test_a_file_of_which_all_was_understood_needs_no_copy(program: Program, desk: Path) -> None:
    assert program("fix", "--in-place", "clean.vtt").code == 0
    assert names_in(desk) == ["clean.vtt", "talk.en.srt"]


def test_text_without_a_time_is_said_to_be_left_out(program: Program, desk: Path) -> None:
    (desk / "a.srt").write_text("Who am I?\n\n1\n00:00:01,000 --> 00:00:03,000\nHello there.\n")
    for ended in (program("lint", "a.srt"), program("fix", "a.srt")):
        assert ended.code == 0 and "left out: 'Who am I?'" in ended.err


def test_a_file_whose_text_has_no_times_at_all_is_refused(program: Program, desk: Path) -> None:
    (desk / "a.ttml").write_text("<tt><body><div><p>Hello there.</p></div></body></tt>")
    for command in ("lint", "fix"):
        ended = program(command, "a.ttml")
        assert ended.code == 1 and "left out: 'Hello there.'" in one_line(ended.err)
    assert not (desk / "a.fixed.ttml").exists()


def test_an_empty_file_is_said_to_be_empty(program: Program, desk: Path) -> None:
    (desk / "a.srt").write_text("")
    assert program("lint", "a.srt").out == "a.srt: no subtitles.\n"


def test_warnings_alone_are_no_failure(program: Program, desk: Path) -> None:
    ended = program("lint", "--max-chars-per-second", "5", "clean.vtt")
    assert ended.code == 0 and "too-fast" in ended.out


def test_norms_and_frame_rate_are_for_the_judge_too(program: Program, desk: Path) -> None:
    assert "line-length" in program("lint", "--preset", "social", "clean.vtt").out
    assert "lines" in program("lint", "--max-lines", "1", "clean.vtt").out
    assert (
        "gap: followed after 0.083 s, at least 0.167 s"
        in program("lint", "--fps", "12", "clean.vtt").out
    )


def test_files_that_cannot_be_read_do_not_hide_the_others(program: Program, desk: Path) -> None:
    (desk / "letter.srt").write_text("Dear Tom")
    ended = program("lint", "letter.srt", "none.srt", "clean.vtt")
    assert ended.code == 1 and "clean.vtt: 0 errors" in ended.out
    assert (
        "'letter.srt': This is not an SRT file" in ended.err
        and "'none.srt' could not be read" in ended.err
    )


def test_fix_writes_beside_the_original_and_leaves_it_alone(program: Program, desk: Path) -> None:
    ended = program("fix", "talk.en.srt")
    assert ended.code == 0
    assert names_in(desk) == ["clean.vtt", "talk.en.fixed.srt", "talk.en.srt"]
    assert (desk / "talk.en.srt").read_bytes() == OTHER_TOOL.read_bytes()
    fixed = formats.read(desk / "talk.en.fixed.srt")
    assert lint(fixed).errors == 0 and words_of(fixed) == words_of(formats.read(OTHER_TOOL))
    assert one_line(ended.err).startswith("talk.en.fixed.srt: 0 errors and ")
    assert program("lint", "talk.en.fixed.srt").code == 0


def test_fix_does_not_replace_a_file_unasked(program: Program, desk: Path) -> None:
    (desk / "talk.en.fixed.srt").write_text("mine")
    ended = program("fix", "talk.en.srt")
    assert ended.code == 1 and "--overwrite" in one_line(ended.err)
    assert (desk / "talk.en.fixed.srt").read_text() == "mine"
    assert program("fix", "talk.en.srt", "--overwrite", "--quiet").err == ""
    assert lint(formats.read(desk / "talk.en.fixed.srt")).errors == 0


def test_fix_in_place_and_to_other_formats(program: Program, desk: Path) -> None:
    assert program("fix", "talk.en.srt", "-o", "other.vtt").code == 0
    assert formats.read(desk / "other.vtt") == formats.read(desk / "other.vtt")
    printed = program("fix", "talk.en.srt", "-o", "-").out
    assert program("fix", "talk.en.srt", "--in-place").code == 0
    assert (desk / "talk.en.srt").read_text(encoding="utf-8") == printed
    assert [cue.lines for cue in formats.read(desk / "other.vtt")] == [
        cue.lines for cue in formats.read(desk / "talk.en.srt")
    ]
    ended = program("fix", "talk.en.srt", "--in-place", "-o", "x.srt")
    assert ended.code == 2 and "choose one" in one_line(ended.err)


def test_fix_twice_is_fix_once(program: Program, desk: Path) -> None:
    program("fix", "talk.en.srt", "-o", "once.srt")
    program("fix", "once.srt", "-o", "twice.srt")
    assert (desk / "once.srt").read_bytes() == (desk / "twice.srt").read_bytes()
