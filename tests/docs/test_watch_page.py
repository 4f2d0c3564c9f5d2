"""The page on watching names variables and rules that exist; its service files are sound."""

from __future__ import annotations

import configparser
import plistlib
import re
from pathlib import Path

from gptasr_subs.jobs.hooks import Event, environment
from gptasr_subs.jobs.rules import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "watch.md").read_text(encoding="utf-8")


def test_variables_and_rules_are_all_told() -> None:
    assert {f"GPTASR_{name}" for name in re.findall(r"`GPTASR_([A-Z]+)`", PAGE)} == set(
        environment(Event(Path("a"), "done"))
    )
    assert re.findall(r"^\| ([a-z ]+) \| (?:if|outside|with)", PAGE, re.MULTILINE) == list(RULES)


def test_service_files_are_sound() -> None:
    (unit,), (plist,) = (
        re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL) for kind in ("ini", "xml")
    )
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string(unit)
    assert parsed["Service"]["ExecStart"].split()[1:] == ["watch", "%h/Videos"]
    assert plistlib.loads(plist.encode())["ProgramArguments"][1] == "watch"
