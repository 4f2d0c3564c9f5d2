"""The documents of the repository: their commands, and the command line that they speak of."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from gptasr_subs.cli import main, train
from gptasr_subs.cli.default_command import DEFAULT

REPOSITORY = Path(__file__).parents[2]
PROGRAMS = {"gptasr-subs": get_command(main.app), "gptasr-subs-train": get_command(train.app)}
_TRAIN = "-m gptasr_subs.cli.train "


def all_pages() -> list[Path]:
    """Every Markdown file that a reader meets."""
    return sorted(
        path
        for pattern in ("*.md", "docs/*.md", "dev/*.md", "plugins/*/README.md")
        for path in REPOSITORY.glob(pattern)
    )


def read_page(path: Path | str) -> str:
    """The text of a page, by its path in the repository."""
    return (REPOSITORY / path).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def shown_commands(page: str) -> list[str]:
    """The lines of shell blocks that call one of our programs, without comments."""
    lines = (re.sub(r"\s+#.*", "", line) for line in _lines(page))
    ours = (
        f"gptasr-subs-train {line.partition(_TRAIN)[2]}" if _TRAIN in line else line
        for line in lines
    )
    return [line for line in ours if line.split(" ")[0] in PROGRAMS]


def _lines(page: str) -> list[str]:
    """The lines of shell blocks, continued ones joined."""
    return "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()


def inline_commands(page: str) -> list[str]:
    """Our commands amid the prose."""
    prose = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    return [
        " ".join(code.split()) for code in re.findall(r"`(gptasr-subs(?:-train)? [^`]+)`", prose)
    ]


def find_command(line: str) -> tuple[Any, list[str]]:
    """The command that a line calls, and the words after its name."""
    program, *words = shlex.split(line)
    command: Any = PROGRAMS[program]
    while words and words[0] in getattr(command, "commands", ()):
        command = command.commands[words.pop(0)]
    if DEFAULT in (below := getattr(command, "commands", {})) and below[DEFAULT].hidden:
        command = below[DEFAULT]
    return command, words


def all_commands() -> Iterator[tuple[str, Any]]:
    """The name and the command of everything that can be called."""

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        for word, child in getattr(command, "commands", {}).items():
            yield from below(name if word == DEFAULT and child.hidden else f"{name} {word}", child)
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield name, command

    for program, command in PROGRAMS.items():
        yield from below(program, command)


def options_of(command: Any) -> set[str]:
    """The long options of a command."""
    return {
        name
        for param in command.params
        for name in (*param.opts, *param.secondary_opts)
        if name.startswith("--")
    } | {"--help"}
