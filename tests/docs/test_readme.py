"""What the README and docs/cli.md show works as it stands there."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.support.ended import Program
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import make_film, names_in
from tests.support.pages import read_page, shown_commands

README = shown_commands(read_page("README.md"))
COMMANDS = list(dict.fromkeys(README + shown_commands(read_page("docs/cli.md"))))
FILES = (
    "movie.mp4",
    "movie.mkv",
    "talk.mp4",
    "podcast.mp3",
    "videos/one.mp4",
    "clips/a.wav",
    "examples/sample.mp4",
)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a reader sits."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        make_film(tmp_path / name)
    (tmp_path / "subs").mkdir()
    (tmp_path / "movie.en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\none two\n")
    (tmp_path / "script.txt").write_text("One, two: three!\nFour. Five.\n")
    (tmp_path / "late.srt").write_text(
        "1\n00:00:03,500 --> 00:00:05,000\none two three\n\n"
        "2\n00:00:07,500 --> 00:00:08,500\nFour. Five.\n"
    )
    (tmp_path / "clips" / "manifest.tsv").write_text("path\ttext\na.wav\tone two three four five\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_works(
    command: str, program: Program, fake: FakeRecognizer, desk: Path
) -> None:
    arguments = [
        "0" if word == "eng" else word for word in shlex.split(command)[1:]
    ]  # the film says no language
    assert program(*arguments).code == 0


def test_the_first_command_writes_the_file_that_is_promised(
    program: Program, fake: FakeRecognizer, desk: Path
) -> None:
    program(*shlex.split(README[0])[1:])
    assert README[0] == "gptasr-subs movie.mp4" and "movie.en.srt" in names_in(desk)
