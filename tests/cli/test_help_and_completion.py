"""What the program says to those who ask, press Tab, or misspell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gptasr_subs.cli import options
from tests.support.ended import Program, one_line
from tests.support.processes import REPOSITORY, posix, start


def panels(help_text: str) -> dict[str, list[str]]:
    """The names in each panel, in their order."""
    parts = re.split(r"^(\S.*):$", help_text, flags=re.MULTILINE)[1:]
    return {
        name: re.findall(r"^  (\S+)", body, re.MULTILINE)
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


def test_help_is_grouped_by_what_people_want_to_do(program: Program) -> None:
    found = panels(program("--help").out)
    assert list(found) == [
        *(options.RESULT, options.SPEECH, options.LOOK, options.WORK, "Other options"),
        *("Subtitle files", "Folders, and other programs", "Models", "This installation"),
    ]
    assert {"--embed", "--burn"} <= set(found[options.RESULT])
    assert {"--preset", "--max-chars"} <= set(found[options.LOOK])
    assert found["Models"] == ["evaluate", "transcribe", "bench", "models"]
    assert "--install-completion" in found["Other options"]


@pytest.mark.parametrize("command", ["watch", "fix", "jobs run"])
def test_help_of_commands_with_many_options_is_grouped(program: Program, command: str) -> None:
    found = panels(program(*command.split(), "--help").out)
    assert options.SPEECH in found and options.WORK in found


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        (["--overwrit", "x.mp4"], "--overwrite"),
        (["watch", "--pol", "films"], "--poll"),
        (["jobs", "lst"], "'list'"),
        (["lnit", "movie.srt"], "did you mean the command 'lint'?"),
        (["--preset", "netflx", "x.mp4"], "'netflix'"),
    ],
)
def test_a_slip_is_answered_with_what_is_right(
    program: Program, arguments: list[str], right: str
) -> None:
    ended = program(*arguments)
    assert ended.code == 2 and right in ended.err
    assert " run " not in ended.err  # a name that nobody types


def test_a_slip_in_a_models_name(program: Program, folder: Path) -> None:
    ended = program(folder, "--model", "smal")
    assert ended.code == 1 and "did you mean 'small'?" in one_line(ended.err)


def test_a_file_that_is_named_like_a_command_with_a_slip(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lnit").mkdir()
    assert "did you mean" not in program("lnit").err


COMPLETE = """
source {script}
COMP_WORDS=({words} "{last}")
COMP_CWORD={count}
_gptasr_subs_completion gptasr-subs
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@posix
@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_bash_completes_commands_options_and_formats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the script that --show-completion prints, in a shell where it is sourced."""
    program = tmp_path / "bin" / "gptasr-subs"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gptasr_subs "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    script = tmp_path / "completion.sh"
    script.write_text(subprocess.check_output([program, "--show-completion", "bash"], text=True))
    desk = tmp_path / "desk"
    desk.mkdir()

    def complete(*words: str) -> list[str]:
        text = COMPLETE.format(
            script=script, words=" ".join(words[:-1]), last=words[-1], count=len(words) - 1
        )
        return subprocess.check_output(["bash", "-c", text], text=True, cwd=desk).split()

    assert complete("gptasr-subs", "wa") == ["watch"]
    assert complete("gptasr-subs", "--form") == ["--format"]
    assert complete("gptasr-subs", "--format", "srt,v") == ["srt,vtt"]
    (desk / "watched.mp4").touch()  # left to bash, which knows files
    assert complete("gptasr-subs", "wa") == []


def test_models_complete_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_GPTASR_SUBS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "gptasr-subs --model medium-")
    monkeypatch.setenv("COMP_CWORD", "2")
    process = start("-m", "gptasr_subs", stdout=-1)
    assert process.communicate()[0].split() == ["medium-distilled"]


@posix
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_installs_itself(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    process = start("-m", "gptasr_subs", "--install-completion", shell, stdout=-1, stderr=-1)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert f"{shell} completion installed in {tmp_path}" in out
