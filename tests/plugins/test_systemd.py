"""The units of systemd are sound, and fit the command and one another."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gptasr_subs.server.settings import Settings
from gptasr_subs.storage.folders import CACHE_VARIABLE, DATA_VARIABLE
from tests.support.pages import REPOSITORY, find_command

UNITS = REPOSITORY / "plugins" / "systemd"


def unit(name: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read_string((UNITS / name).read_text(encoding="utf-8"))
    return parsed


def test_the_service_takes_the_first_socket_that_systemd_hands_it() -> None:
    service = unit("gptasr-subs.service")["Service"]
    program = service["ExecStart"].removeprefix("/opt/gptasr-subs/bin/")
    command, words = find_command(program)
    assert command.make_context("serve", words).params["fd"] == 3
    assert set(re.findall(r"(\w+)=%", service["Environment"])) == {CACHE_VARIABLE, DATA_VARIABLE}
    assert service["KillMode"] == "mixed"  # the recognition process ends its window first


def test_the_socket_is_the_address_that_serve_has_by_itself() -> None:
    listen = unit("gptasr-subs.socket")["Socket"]["ListenStream"]
    assert listen == f"{Settings().host}:{Settings().port}"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_systemd_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    names = ("gptasr-subs.service", "gptasr-subs.socket")
    for name in names:
        text = (UNITS / name).read_text(encoding="utf-8")
        there = text.replace("/opt/gptasr-subs/bin/gptasr-subs", "/bin/true")
        (tmp_path / name).write_text(there, encoding="utf-8")
    command = ["systemd-analyze", "verify", *names]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "gptasr-subs" not in done.stderr, done.stderr
