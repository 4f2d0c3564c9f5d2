"""What the pages show works as it stands there, or is marked with what it needs."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from gptasr_subs.jobs.queue import open_queue
from tests.support.ended import Program
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import make_film, names_in
from tests.support.pages import REPOSITORY, all_pages, read_page, shown_commands

PAGES = [str(path.relative_to(REPOSITORY)) for path in all_pages()]
# A block of commands, and what a comment before it says that it needs
BLOCK = re.compile(r"(?:<!-- needs: ([^\n]+) -->\n)?```(?:sh|bash|console)\n(.*?)```", re.DOTALL)
ELSEWHERE = ("curl ", "gptasr-subs serve")  # run by the test of the server's page
FILES = (
    "movie.mp4",
    "movie.mkv",
    "talk.mp4",
    "podcast.mp3",
    "videos/one.mp4",
    "Videos/two.mp4",
    "clips/a.wav",
    "examples/sample.mp4",
)


def unmarked(page: str) -> list[str]:
    """The lines of the blocks that need nothing special, without comments."""
    blocks = [block for need, block in BLOCK.findall(read_page(page)) if not need]
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+#.*", "", line) for line in lines if not line.startswith(ELSEWHERE)]


COMMANDS = list(dict.fromkeys(line for page in PAGES for line in unmarked(page)))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The films of the desk, made once."""
    folder = tmp_path_factory.mktemp("films")
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        make_film(folder / name)
    return folder


@pytest.fixture
def desk(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a reader sits."""
    shutil.copytree(films, tmp_path, dirs_exist_ok=True)
    (tmp_path / "subs").mkdir()
    (tmp_path / "movie.en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\none two\n")
    (tmp_path / "other.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\none two\n")
    (tmp_path / "names.txt").write_text("Jean-Luc Picard\n")
    (tmp_path / "script.txt").write_text("One, two: three!\nFour. Five.\n")
    (tmp_path / "late.srt").write_text(
        "1\n00:00:03,500 --> 00:00:05,000\none two three\n\n"
        "2\n00:00:07,500 --> 00:00:08,500\nFour. Five.\n"
    )
    (tmp_path / "clips" / "manifest.tsv").write_text("path\ttext\na.wav\tone two three four five\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_what_needs_no_mark_is_a_command_of_ours(page: str) -> None:
    assert [line for line in unmarked(page) if line and line.split()[0] != "gptasr-subs"] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_works(
    command: str,
    program: Program,
    fake: FakeRecognizer,
    desk: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if " jobs " in command:
        with open_queue() as queue:
            for number in range(12):
                queue.add(desk / f"{number}.mkv", {})
    torch = """print('["9.0", null, [], ""]')"""  # what doctor asks a process for
    monkeypatch.setattr("gptasr_subs.doctor._TRY_TORCH", torch)
    hurry = ["--settle", "0"] if " watch " in command else []
    ended = program(*as_the_shell_gives_them(command), *hurry)
    # the films of the queue and the shipped model are not there
    assert ended.code == 0 or command.split()[1:] in (["doctor"], ["jobs", "run", "--newest-first"])


def as_the_shell_gives_them(command: str) -> list[str]:
    """The words after the program's name; our films say no language."""
    words: list[str] = []
    for word in shlex.split(command)[1:]:
        word = str(Path(word).expanduser()) if word.startswith("~") else word
        words += (
            sorted(path.name for path in Path().glob(word))
            if "*" in word
            else ["0" if word == "eng" else word]
        )
    return words


def test_the_first_command_writes_the_file_that_is_promised(
    program: Program, fake: FakeRecognizer, desk: Path
) -> None:
    first = shown_commands(read_page("README.md"))[0]
    program(*shlex.split(first)[1:])
    assert first == "gptasr-subs movie.mp4" and "movie.en.srt" in names_in(desk)
