"""How a run of the program ended, and what tests ask of its words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner, Result

from gptasr_subs.cli.train import app
from gptasr_subs.formats import read


@dataclass(frozen=True)
class Ended:
    """How a run of the program ended."""

    code: int
    out: str
    err: str


Program = Callable[..., Ended]


def text_of(path: Path) -> str:
    return " ".join(" ".join(cue.lines) for cue in read(path))


def train(*words: object) -> Result:
    """Run ``gptasr-subs-train`` with these arguments in this process."""
    return CliRunner().invoke(app, [str(word) for word in words])


def one_line(text: str) -> str:
    assert text.endswith("\n") and text.count("\n") == 1 and "Traceback" not in text
    return text.rstrip("\n")
