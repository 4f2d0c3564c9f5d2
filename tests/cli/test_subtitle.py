"""The program as a person meets it: what it writes and what it says."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from gptasr_subs.formats import read
from gptasr_subs.model.checkpoint import save_checkpoint
from gptasr_subs.storage.folders import CACHE_VARIABLE, DATA_VARIABLE
from tests.support.ended import Ended, Program, one_line, text_of
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import SPOKEN, make_film, names_in
from tests.support.tiny import tiny_checkpoint

AWKWARD = [
    "two words.wav",
    'it\'s "so".wav',
    "100%d.wav",
    "new\nline.wav",
    "-rf.wav",
    "🎬 é.wav",
    "[bold]x.wav",
]


def test_a_film_gets_a_subtitle_beside_it_without_a_command(
    program: Program, fake: FakeRecognizer, tmp_path: Path
) -> None:
    make_film(tmp_path / "movie.mp4")
    ended = program(tmp_path / "movie.mp4")
    assert ended.code == 0 and ended.out == ""
    assert names_in(tmp_path) == ["movie.en.srt", "movie.mp4"]
    assert text_of(tmp_path / "movie.en.srt") == SPOKEN


def test_the_closing_line_says_what_was_written_how_long_and_how_fast(
    program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    line = one_line(program(folder / "talk.wav").err)
    assert line.startswith(f"{folder / 'talk.en.srt'}: 2 subtitles; 00:00:08 of audio in 00:00:0")
    assert float(line.rpartition("RTFx ")[2].rstrip(".")) > 0


def test_films_and_folders_are_done_in_one_call_with_one_model(
    program: Program, fake: FakeRecognizer, folder: Path, tmp_path: Path
) -> None:
    make_film(tmp_path / "alone.mp3")
    ended = program(
        tmp_path / "alone.mp3", folder, folder / "talk.wav", "--model", "mine", "--device", "cpu"
    )
    assert ended.code == 0
    assert text_of(tmp_path / "alone.en.srt") == text_of(folder / "talk.en.srt") == SPOKEN
    assert ended.err.count("\n") == 2  # the film that was named twice was done once
    assert fake.loads == [("mine", "cpu")]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names_work_and_every_line_about_them_is_one_line(
    name: str,
    program: Program,
    fake: FakeRecognizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_film(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    ended = program(f"./{name}")
    assert ended.code == 0
    assert text_of(tmp_path / f"{name[:-4]}.en.srt") == SPOKEN
    one_line(ended.err)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_names_of_any_bytes_are_done_by_run_and_watch(
    program: Program, fake: FakeRecognizer, tmp_path: Path
) -> None:
    lib = tmp_path / "lib"
    lib.mkdir()
    film = lib / os.fsdecode(b"caf\xe9.wav")
    make_film(tmp_path / "talk.wav").rename(film)
    assert program(film).code == 0
    subtitle = film.with_suffix(".en.srt")
    assert text_of(subtitle) == SPOKEN
    subtitle.unlink()
    ended = program("watch", lib, "--once", "--settle", "0.1")
    assert ended.code == 0 and "went wrong" not in ended.err
    assert text_of(subtitle) == SPOKEN
    assert len(fake.asked) == 1  # the journal knows such a name


def test_neither_a_home_nor_a_place_for_temporary_files_is_needed(
    program: Program, fake: FakeRecognizer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a container runs it for a user who has none."""
    for variable in (CACHE_VARIABLE, DATA_VARIABLE, "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", "/proc/self/nobody")
    monkeypatch.setenv("TMPDIR", "/proc/self/nowhere")
    ended = program(folder)
    assert ended.code == 0 and text_of(folder / "talk.en.srt") == SPOKEN
    warning, _ = ended.err.splitlines()
    assert warning.startswith("The journal") and warning.endswith("work goes on without it.")


def test_names_with_a_leading_dash_come_after_two_dashes(
    program: Program, fake: FakeRecognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_film(tmp_path / "-rf.wav")
    monkeypatch.chdir(tmp_path)
    assert program("--overwrite", "--", "-rf.wav").code == 0
    assert text_of(tmp_path / "-rf.en.srt") == SPOKEN


@pytest.mark.parametrize("name", ["models", "evaluate", "run"])
def test_a_film_called_like_a_command_is_reached_by_its_folder(
    name: str,
    program: Program,
    fake: FakeRecognizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_film(tmp_path / "talk.wav").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert program(f"./{name}").code == 0
    assert text_of(tmp_path / f"{name}.en.srt") == SPOKEN


def test_options_may_stand_anywhere_and_their_values_are_no_commands(
    program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    assert program("--model", "models", "--beams=2", folder, "--batch-size", "3").code == 0
    assert fake.loads == [("models", "auto")]  # type: ignore[attr-defined]
    assert fake.asked[0] == {"clips": 2, "batch_size": 3, "beams": 2}
    assert program("--quiet", "models").err == program("models", "--quiet").err


def test_a_real_network_at_a_path_runs(program: Program, folder: Path, tmp_path: Path) -> None:
    # untrained: it runs, and writes what it likes
    save_checkpoint(tmp_path / "tiny", tiny_checkpoint())
    ended = program(
        folder, "--model", tmp_path / "tiny", "--device", "cpu", "--format", "json", "--beams", "2"
    )
    assert ended.code == 0 and one_line(ended.err).startswith(f"{folder / 'talk.en.json'}: ")
    assert json.loads((folder / "talk.en.json").read_text())["model"] == "tiny"


def test_several_formats_and_their_options(
    program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    formats = ("--format", "srt, VTT,json,srt")
    assert (
        program(
            folder, *formats, "--max-chars", "9", "--max-lines", "1", "--sdh", "--lang", "en-US"
        ).code
        == 0
    )
    assert names_in(folder) == [f"talk.en-US.sdh.{end}" for end in ("json", "srt", "vtt")] + [
        "talk.wav"
    ]
    assert max(len(line) for cue in read(folder / "talk.en-US.sdh.srt") for line in cue.lines) <= 9


def test_output_names_the_file_and_output_dir_the_folder(
    program: Program, fake: FakeRecognizer, folder: Path, tmp_path: Path
) -> None:
    assert program(folder / "talk.wav", "-o", tmp_path / "mine.vtt").code == 0
    (tmp_path / "subs").mkdir()
    assert program(folder, "--output-dir", tmp_path / "subs", "--forced").code == 0
    assert (tmp_path / "mine.vtt").read_text().startswith("WEBVTT")
    assert names_in(tmp_path / "subs") == ["talk.en.forced.srt"]
    assert names_in(folder) == ["talk.wav"]


def test_a_dash_writes_to_stdout_and_only_the_subtitles(
    program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    ended = program(folder / "talk.wav", "-o", "-")
    assert ended.code == 0 and ended.out.startswith("1\n00:00:01,")
    assert one_line(ended.err).startswith("talk.wav: 2 subtitles; 00:00:08 of audio")
    assert json.loads(program(folder, "-o", "-", "--format", "json").out)["source"] == "talk.wav"
    assert names_in(folder) == ["talk.wav"]


def test_a_subtitle_that_is_there_is_kept_without_loading_a_model(
    program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    (folder / "talk.en.srt").write_text("mine")
    ended = program(folder)
    assert ended.code == 0 and (folder / "talk.en.srt").read_text() == "mine"
    assert one_line(ended.err).endswith(
        "talk.en.srt is there already and was kept; --overwrite replaces it."
    )
    assert fake.loads == []  # type: ignore[attr-defined]
    assert program(folder, "--overwrite").code == 0
    assert text_of(folder / "talk.en.srt") == SPOKEN


def test_films_of_one_name_do_not_share_a_file_in_output_dir(
    program: Program, fake: FakeRecognizer, folder: Path, tmp_path: Path
) -> None:
    for name in ("one", "two", "subs"):
        (tmp_path / name).mkdir()
    films = [make_film(tmp_path / name / "e1.wav") for name in ("one", "two")]
    ended = program(*films, "--output-dir", tmp_path / "subs", "--overwrite")
    assert ended.code == 1 and names_in(tmp_path / "subs") == ["e1.en.srt"]
    assert f"'{films[1]}' would be written to the same 'e1.en.srt' as '{films[0]}'" in ended.err


def test_films_of_one_name_in_one_folder_are_told_apart_in_words(
    program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    make_film(folder / "talk.m4a")
    said = "talk.wav' would be written to the same 'talk.en.srt' as "
    ended = program(folder)
    assert ended.code == 0 and said in ended.err and "talk.m4a'; rename one of them" in ended.err
    assert program(folder, "--overwrite").code == 1


def test_quiet_says_nothing_but_errors(
    program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    assert program(folder, "--quiet") == Ended(0, "", "")
    (folder / "bad.mp4").write_text("no film")
    ended = program(folder, "--quiet", "--overwrite")
    assert ended.code == 1 and "bad.mp4" in ended.err
