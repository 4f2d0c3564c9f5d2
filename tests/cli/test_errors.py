"""What goes wrong ends in a sentence and an exit code, and leaves nothing half-written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.support.ended import Program, one_line, text_of
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import SPOKEN, make_film, make_silent_film, names_in


def spoil_text(path: Path) -> None:
    path.write_text("once upon a time\n" * 50)


def spoil_empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil_half(path: Path) -> None:
    make_film(path)
    path.write_bytes(path.read_bytes()[:3000])  # an mp4's index is at its end


def spoil_missing(path: Path) -> None:
    pass


def spoil_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    "spoil", [spoil_text, spoil_empty, make_silent_film, spoil_half, spoil_missing, spoil_folder]
)
def test_a_bad_film_is_one_sentence_and_the_others_are_still_done(
    spoil: Callable[[Path], None], program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    spoil(folder / "bad.mp4")
    make_film(folder / "last.wav")
    ended = program(folder / "bad.mp4", folder / "talk.wav", folder / "last.wav", "--quiet")
    assert ended.code == 1
    assert "bad.mp4" in one_line(ended.err)
    assert text_of(folder / "talk.en.srt") == text_of(folder / "last.en.srt") == SPOKEN
    assert not [name for name in names_in(folder) if name.startswith(("bad.en", ".", "tmp"))]


def test_a_bug_in_one_film_names_itself_and_does_not_stop_the_next(
    program: Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = FakeRecognizer(fails=ZeroDivisionError("division\nby zero"))
    monkeypatch.setattr("gptasr_subs.recognition.loading.load_model", lambda model, device: broken)
    make_film(folder / "second.wav")
    ended = program(folder)
    first, second, summary = ended.err.splitlines()
    assert ended.code == 1 and names_in(folder) == ["second.wav", "talk.wav"]
    failure = "Something went wrong that should not (ZeroDivisionError: division by"
    assert first.startswith(f"{folder / 'second.wav'}: {failure}")
    assert first.endswith("run again with --verbose to see where.")
    assert "talk.wav" in second and summary == "2 of 2 files failed."
    assert "Traceback" in program(folder, "--verbose").err


def test_a_package_that_cannot_be_imported_leads_to_the_doctor(
    program: Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = FakeRecognizer(fails=ImportError("libc10.so: cannot open shared object file"))
    monkeypatch.setattr("gptasr_subs.recognition.loading.load_model", lambda model, device: broken)
    ended = program(folder)
    assert ended.code == 1 and "(ImportError: libc10.so" in one_line(ended.err)
    assert one_line(ended.err).endswith("'gptasr-subs doctor' says what to do.")


def test_verbose_shows_where_an_expected_error_came_from(
    program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    assert "Traceback" not in program(folder / "nix.mp4").err
    ended = program(folder / "nix.mp4", "--verbose")
    assert ended.code == 1 and "Traceback" in ended.err and "FileNotFoundError" in ended.err
    assert ended.err.splitlines()[-1].startswith("There is no file")


def test_a_folder_without_rights_is_one_sentence(
    program: Program, fake: FakeRecognizer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access  # the rights themselves do not stop root, who may run these tests
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    ended = program(folder, "--quiet")
    assert ended.code == 1 and "is not writable" in one_line(ended.err)
    assert names_in(folder) == ["talk.wav"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence(program: Program, fake: FakeRecognizer, folder: Path) -> None:
    (folder / "talk.en.srt").symlink_to("/dev/full")
    ended = program(folder, "--overwrite", "--quiet")
    assert ended.code == 1 and "the disk is full" in one_line(ended.err)


def test_a_missing_model_is_said_once_for_all_films(program: Program, folder: Path) -> None:
    make_film(folder / "second.wav")
    ended = program(folder, "--model", "nix")
    assert ended.code == 1 and one_line(ended.err).startswith("There is no model 'nix'")
    assert one_line(program(folder, "--model", "small").err).endswith(
        "gptasr-subs models pull small"
    )
    assert names_in(folder) == ["second.wav", "talk.wav"]


def test_a_checkpoint_of_another_network_is_refused(program: Program, folder: Path) -> None:
    torch.save(torch.nn.Linear(2, 2).state_dict(), folder / "other.pth")
    ended = program(folder, "--model", folder / "other.pth")
    assert ended.code == 1 and "another network" in one_line(ended.err)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_one_sentence(program: Program, folder: Path) -> None:
    ended = program(folder, "--device", "cuda")
    assert ended.code == 1 and "no cuda device" in one_line(ended.err)
    assert ended.err == program(folder, "-o", "-", "--device", "cuda").err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--format", "doc"], "no subtitle format 'doc'"),
        (["--format", ","], "names no format"),
        (["--format", "srt,vtt", "-o", "x.srt"], "use --output-dir"),
        (["--format", "srt,vtt", "-o", "-"], "use --output-dir"),
        (["--format", "vtt", "-o", "x.srt"], "is no vtt file"),
        (["-o", "x.doc"], "no subtitle format 'doc'"),
        (["-o", "x.srt", "also.mp4"], "there are 2 inputs"),
        (["--lang", "../x"], "no language code"),
        (["--max-chars", "0"], "max-chars"),
        (["--beams", "many"], "beams"),
        (["--nix"], "--nix"),
    ],
)
def test_options_that_make_no_sense_exit_with_2_before_any_work(
    options: list[str], reason: str, program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    ended = program(folder / "talk.wav", *options)
    assert ended.code == 2 and reason in ended.err and "Traceback" not in ended.err
    assert names_in(folder) == ["talk.wav"] and fake.loads == []  # type: ignore[attr-defined]


def test_another_language_is_warned_of(
    program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    ended = program(folder, "--lang", "fr")
    assert ended.code == 0 and ended.err.startswith(
        "The models write English; --lang fr only goes into the file's name."
    )
    assert "English" not in program(folder, "--lang", "fr", "--quiet", "--overwrite").err
