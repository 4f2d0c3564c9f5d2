"""The page of the server speaks of options, addresses and measurements that there are."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from starlette.routing import Route

from gptasr_subs.jobs.queue import State
from gptasr_subs.server.app import create_app
from gptasr_subs.server.metrics import Measurements
from gptasr_subs.server.recognition import Recognition
from gptasr_subs.server.settings import Settings
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import make_film
from tests.support.pages import blocks, find_command, options_of, read_page
from tests.support.served import served

PAGE = read_page("docs/server.md")
OTHERS = {"--read-only", "--user", "--gpus", "--build-arg"}  # of docker


def test_options_are_those_of_serve() -> None:
    command, _ = find_command("gptasr-subs serve")
    named = set(re.findall(r"`(--[a-z-]+)", PAGE))
    assert named - options_of(command) == OTHERS
    assert {"--key", "--allow", "--map", "--wyoming", "--fd", "--idle"} <= named


def test_commands_of_services_and_containers_are_those_of_serve() -> None:
    lines = PAGE.replace("\\\n", " ")
    commands = re.findall(r"gptasr-subs/bin/gptasr-subs (serve .*)", lines)
    commands += re.findall(r"gptasr-subs +(serve --host .*)", lines)
    assert len(commands) >= 3
    for line in commands:
        command, words = find_command(f"gptasr-subs {line}")
        command.make_context("serve", words)
    for unit in blocks(PAGE, "ini"):
        assert configparser.ConfigParser(strict=False).read_string(unit) is None


def test_addresses_are_those_of_the_application() -> None:
    table = PAGE.split("## Addresses")[1].split("\n## ")[0]
    named = {
        re.sub(r"\bN\b", "{number:int}", path)
        .replace("NAME", "{name:path}")
        .replace("FORMAT", "{format}")
        .replace("VERSION", "{version:int}")
        .replace("/ID", "/{id}")
        for path in re.findall(r"`[A-Z]+ (/[^`?]*)", table)
    }
    routes = create_app(Settings(), load=FakeRecognizer).routes
    assert named == {route.path for route in routes if isinstance(route, Route)}


def test_measurements_are_those_of_prometheus() -> None:
    recognition = Recognition(FakeRecognizer, idle_seconds=1)
    families = Measurements(recognition, dict.fromkeys(State, 0)).collect()
    there = {sample.name for family in families for sample in family.samples}
    assert set(re.findall(r"`(gptasr_subs_\w+)(?:\{[^`]*)?`", PAGE)) == there


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_what_curl_is_shown_to_ask_is_answered(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    make_film(tmp_path / "films" / "movie.mkv")
    make_film(tmp_path / "movie.mp4")
    lines = [line for line in PAGE.splitlines() if line.startswith("curl ")]
    assert len(lines) >= 5
    with served(tmp_path / "server", "--root", tmp_path / "films") as server:
        for line in lines:
            here = line.replace("http://127.0.0.1:9000", server.url)
            here = here.replace("/srv/films", str(tmp_path / "films"))
            command = f"{here} --silent --show-error --fail"
            ended = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True)
            assert ended.returncode == 0 and ended.stdout, (line, ended.stderr)
    assert (tmp_path / "films" / "movie.en.srt").exists()
