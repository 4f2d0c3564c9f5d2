"""The page on watching speaks of commands, options and variables that there are, and its service files are sound."""

from __future__ import annotations

import configparser
import plistlib
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from gptasr_subs.cli.main import app
from gptasr_subs.jobs.hooks import Event, environment
from gptasr_subs.jobs.rules import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "watch.md").read_text(encoding="utf-8")
SHELL = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).splitlines()


@pytest.mark.parametrize("line", [re.sub(r"\s+#.*", "", line) for line in SHELL])
def test_commands_and_options_are_there(line: str) -> None:
    program, *words = shlex.split(line)
    command = get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    known = {name for param in command.params for name in param.opts}
    assert program == "gptasr-subs" and {word for word in words if word.startswith("--")} <= known


def test_variables_and_rules_are_all_told() -> None:
    assert {f"GPTASR_{name}" for name in re.findall(r"`GPTASR_([A-Z]+)`", PAGE)} == set(
        environment(Event(Path("a"), "done"))
    )
    assert re.findall(r"^\| ([a-z ]+) \| (?:if|outside|with)", PAGE, re.MULTILINE) == list(RULES)


def test_service_files_are_sound() -> None:
    (unit,), (plist,) = (re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL) for kind in ("ini", "xml"))
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string(unit)
    assert parsed["Service"]["ExecStart"].split()[1:] == ["watch", "%h/Videos"]
    assert plistlib.loads(plist.encode())["ProgramArguments"][1] == "watch"
