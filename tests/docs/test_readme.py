"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import gptasr_subs
from gptasr_subs.cli.main import app
from tests.support.ended import Program
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import make_film, names_in

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
SHIPPED = Path(gptasr_subs.__file__).parent / "checkpoints" / "default"

PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
COMMANDS = [re.sub(r"\s+#.*", "", line) for line in SHELL if line.startswith("gptasr-subs ")]
OFFLINE = [command for command in dict.fromkeys(COMMANDS) if "models pull" not in command]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a reader of the README sits."""
    for name in (
        "movie.mp4",
        "movie.mkv",
        "talk.mp4",
        "podcast.mp3",
        "films/one.mp4",
        "clips/a.wav",
        "examples/sample.mp4",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        make_film(tmp_path / name)
    (tmp_path / "subs").mkdir()
    (tmp_path / "movie.en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\none two\n")
    (tmp_path / "script.txt").write_text("One, two: three!\nFour. Five.\n")
    (tmp_path / "late.srt").write_text(
        "1\n00:00:03,500 --> 00:00:05,000\none two three\n\n2\n00:00:07,500 --> 00:00:08,500\nFour. Five.\n"
    )
    (tmp_path / "clips" / "manifest.tsv").write_text("path\ttext\na.wav\tone two three four five\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", OFFLINE)
def test_each_command_works(command: str, program: Program, fake: FakeRecognizer, desk: Path) -> None:
    arguments = ["0" if word == "eng" else word for word in shlex.split(command)[1:]]  # the film says no language
    assert program(*arguments).code == 0


def test_the_first_command_writes_the_file_that_is_promised(program: Program, fake: FakeRecognizer, desk: Path) -> None:
    program(*shlex.split(COMMANDS[0])[1:])
    assert COMMANDS[0] == "gptasr-subs movie.mp4" and "movie.en.srt" in names_in(desk)


def test_every_option_is_explained() -> None:
    from typer.main import get_command

    command = get_command(app).commands["run"]  # type: ignore[attr-defined]
    options = {name for param in command.params for name in param.opts if name.startswith("--")}
    assert "--overwrite" in options
    assert {option for option in options if f"`{option}`" not in README} == set()
    assert set(re.findall(r"`(--[a-z-]+)`", README)) - options == {"--help"}


@pytest.mark.skipif(not SHIPPED.exists(), reason="the shipped checkpoint is not there yet")
@pytest.mark.parametrize("snippet", PYTHON)
def test_each_snippet_runs_with_the_shipped_checkpoint(snippet: str, desk: Path) -> None:
    exec(compile(snippet, "README.md", "exec"), {})
    assert {"talk.en.srt", "talk.vtt"} <= set(names_in(desk))


def test_the_library_snippet_runs_with_another_recogniser(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "gptasr_subs.recognition.loading.load_model", lambda model="default", device="auto": FakeRecognizer()
    )
    names: dict[str, object] = {}
    exec(compile(PYTHON[0], "README.md", "exec"), names)
    assert [word.text for word in names["words"]] == ["one", "two", "three", "four", "Five."]  # type: ignore[attr-defined]
    assert "one two three" in (desk / "talk.vtt").read_text() and (desk / "talk.en.srt").exists()


def test_files_it_links_to_are_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links and all((REPOSITORY / link).exists() for link in links)
