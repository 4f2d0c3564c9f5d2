"""docs/cli.md names every command and every option, and none that there is not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gptasr_subs.cli.default_command import DEFAULT
from tests.support.pages import PROGRAMS, all_commands, options_of, read_page

PAGE = read_page("docs/cli.md")
SECTIONS = {
    part.split("\n", 1)[0]: part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
}
COMMON = set(re.findall(r"`(--[a-z-]+)`", PAGE.split("\n## ", 1)[0]))
COMMANDS = dict(all_commands())


def test_shared_options_are_those_of_the_default_command() -> None:
    assert (
        options_of(PROGRAMS["gptasr-subs"].commands[DEFAULT])
        >= COMMON
        >= {"--quiet", "--max-chars"}
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_named(name: str) -> None:
    assert name in SECTIONS or f"`{name}" in PAGE


@pytest.mark.parametrize(("name", "command"), COMMANDS.items())
def test_every_option_is_explained(name: str, command: Any) -> None:
    options = options_of(command)
    table = "\n".join(line for line in SECTIONS.get(name, "").splitlines() if line.startswith("|"))
    named = {
        option
        for row in table.splitlines()
        for option in re.findall(r"`(--[a-z-]+)`", row.split("|")[1])
    }
    assert options - named - COMMON == set()
    assert named - options == set()
