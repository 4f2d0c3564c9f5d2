"""Glossaries from the command line: given, found, wrong, and with recognisers that take none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ended import Program, one_line, text_of
from tests.support.fake_recognizer import Expecting, FakeRecognizer
from tests.support.films import SPOKEN


@pytest.fixture
def expecting(monkeypatch: pytest.MonkeyPatch) -> Expecting:
    recognizer = Expecting()
    monkeypatch.setattr("gptasr_subs.recognition.loading.load_model", lambda *arguments: recognizer)
    return recognizer


def test_what_is_recognised_with_one_glossary_is_not_taken_for_another(
    program: Program, expecting: Expecting, folder: Path, tmp_path: Path
) -> None:
    talk, names, roles = folder / "talk.wav", tmp_path / "names.txt", tmp_path / "roles.txt"
    names.write_text("ONE\n")
    roles.write_text("tWo\n")
    runs = []
    for given in ([names], [names], [names, roles], []):
        options = [part for path in given for part in ("--glossary", path)]
        program(talk, "--overwrite", *options)
        runs.append((text_of(folder / "talk.en.srt"), len(expecting.asked)))
    one = SPOKEN.replace("one", "ONE")
    assert runs == [(one, 1), (one, 1), (one.replace("two", "tWo"), 2), (SPOKEN, 3)]


def test_a_glossary_beside_the_film_or_above_is_found_and_said(
    program: Program, expecting: Expecting, folder: Path, tmp_path: Path
) -> None:
    (folder / "GLOSSARY.txt").write_text("ONE\nTwo\n")
    (tmp_path / "GLOSSARY.txt").write_text("THREE\n")
    ended = program(folder / "talk.wav")
    assert ended.code == 0
    assert text_of(folder / "talk.en.srt").startswith("ONE Two THREE")
    assert f"{str(folder / 'GLOSSARY.txt')!r} is used: 2 terms." in ended.err
    assert f"{str(tmp_path / 'GLOSSARY.txt')!r} is used: 1 term." in ended.err


def test_one_that_was_found_and_is_none_costs_no_subtitles(
    program: Program, expecting: Expecting, folder: Path
) -> None:
    (folder / "GLOSSARY.txt").write_text("CTC: 7 | is | a | loss\n")
    ended = program(folder / "talk.wav")
    assert ended.code == 0 and text_of(folder / "talk.en.srt") == SPOKEN
    assert "line 1: " in ended.err and "It is not used." in ended.err


def test_one_that_was_given_and_is_none_is_an_error(
    program: Program, expecting: Expecting, folder: Path
) -> None:
    (folder / "names.txt").write_text("one\nR2-D2\n")
    ended = program(folder / "talk.wav", "--glossary", folder / "names.txt")
    assert ended.code == 1 and "line 2: " in one_line(ended.err)
    assert not (folder / "talk.en.srt").exists() and expecting.asked == []


def test_the_cast_is_expected_where_it_is_asked_for(
    program: Program, expecting: Expecting, folder: Path
) -> None:
    cast = "<actor><role>One McTwo / Three</role></actor>"
    (folder / "talk.nfo").write_text(f"<movie>{cast}</movie>")
    ended = program(folder / "talk.wav", "--cast")
    assert ended.code == 0 and "The cast of 'talk.wav' is used: 3 terms." in ended.err


def test_a_recogniser_that_takes_none_is_said_to(
    program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    (folder / "names.txt").write_text("ONE\n")
    ended = program(folder / "talk.wav", "--glossary", folder / "names.txt")
    assert ended.code == 0 and text_of(folder / "talk.en.srt") == SPOKEN
    assert ended.err.count("'fake' cannot be told which words to expect") == 1


def test_watched_folders_take_glossaries_that_are_given_and_found(
    program: Program, expecting: Expecting, folder: Path, tmp_path: Path
) -> None:
    (folder / "GLOSSARY.txt").write_text("ONE\n")
    (tmp_path / "names.txt").write_text("tWo\n")
    (folder / "talk.nfo").write_text("<movie><actor><role>McThree</role></actor></movie>")
    options = ["--once", "--settle", "0.1", "--glossary", tmp_path / "names.txt", "--cast"]
    ended = program("watch", folder, *options)
    assert text_of(folder / "talk.en.srt").startswith("ONE tWo three")
    assert "The cast of 'talk.wav' is used: 1 term." in ended.err


def test_a_job_keeps_its_glossary_wherever_it_is_worked_off(
    program: Program,
    expecting: Expecting,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "names.txt").write_text("tWo\n")
    (folder / "GLOSSARY.txt").write_text("ONE\n")
    monkeypatch.chdir(tmp_path)
    assert program("jobs", "add", folder, "--glossary", "names.txt", "--cast").code == 0
    monkeypatch.chdir(folder)
    ended = program("jobs", "run")
    assert text_of(folder / "talk.en.srt").startswith("ONE tWo three")
    assert "The cast of 'talk.wav' is used: 0 terms." in ended.err


@pytest.mark.parametrize("command", [("watch", "--once"), ("jobs", "add"), ("jobs", "run")])
def test_the_queue_takes_no_glossary_that_is_none(
    program: Program, expecting: Expecting, folder: Path, command: tuple[str, ...]
) -> None:
    (folder / "names.txt").write_text("R2-D2\n")
    inputs = [] if command == ("jobs", "run") else [folder]
    ended = program(*command, *inputs, "--glossary", folder / "names.txt")
    assert ended.code == 1 and "line 1: " in one_line(ended.err)
    assert not (folder / "talk.en.srt").exists()
