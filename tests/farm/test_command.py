"""The command ``farm``: what it says without Ray, and how it shows where it is."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from gptasr_subs.cli import farm_display
from gptasr_subs.cli.farm_display import Display
from gptasr_subs.farm.cluster import Share, room_for_workers
from gptasr_subs.farm.collection import Collected
from gptasr_subs.farm.manifest import open_manifest
from gptasr_subs.jobs.hooks import Event
from gptasr_subs.jobs.queue import MEMORY, open_queue
from tests.support.ended import Program, one_line
from tests.support.films import names_in
from tests.support.processes import REPOSITORY, start


@pytest.mark.parametrize("command", [["farm"], ["jobs", "run", "--ray", "auto"]])
def test_without_ray_one_sentence_says_what_to_install(
    command: list[str], program: Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    ended = program(*command, *([folder] if command == ["farm"] else []))
    assert ended.code == 1
    assert "install it with: pip install 'gptasr-subs[farm]'" in one_line(ended.err)


def test_an_odd_address_is_a_usage_error(program: Program, folder: Path) -> None:
    pytest.importorskip("ray")
    ended = program("farm", folder, "--ray", "local:none")
    assert ended.code == 2 and "write it like local:2" in one_line(ended.err)


def test_where_no_cluster_is_it_says_how_to_start_one(program: Program, folder: Path) -> None:
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ended = program("farm", folder, "--ray", f"127.0.0.1:{port}")
    assert ended.code == 1 and names_in(folder) == ["talk.wav"]
    assert f"There is no Ray cluster at '127.0.0.1:{port}' ([Errno" in one_line(ended.err)
    assert "`ray start --head`" in ended.err


@pytest.mark.parametrize("argument", ["--help", "farm", "import"])
def test_nothing_imports_ray_before_it_is_needed(argument: str) -> None:
    every = (
        "import pkgutil, importlib, gptasr_subs\n"
        "import gptasr_subs.cli.main, gptasr_subs.farm\n"
        "for found in pkgutil.iter_modules(gptasr_subs.farm.__path__):\n"
        "    importlib.import_module(f'gptasr_subs.farm.{found.name}')\n"
    )
    arguments = ["-c", every] if argument == "import" else ["-m", "gptasr_subs", argument]
    process = start("-X", "importtime", *arguments, cwd=REPOSITORY, stdout=-1, stderr=-1)
    _, err = process.communicate()
    loaded = {line.rpartition("|")[2].strip() for line in err.splitlines()}
    assert "gptasr_subs.cli.farm" in loaded and not loaded & {"ray", "fsspec", "torch"}


@pytest.mark.parametrize(
    ("resources", "share", "room"),
    [
        ({"CPU": 4.0}, Share(), 4),
        ({"CPU": 4.0}, Share(cpus=1.5), 2),
        ({"CPU": 64.0, "GPU": 4.0}, Share(cpus=2, gpus=0.25), 16),
        ({"CPU": 8.0, "GPU": 4.0}, Share(cpus=2, gpus=0.25), 4),
        ({"CPU": 64.0}, Share(gpus=0.5), 0),
        ({"CPU": 1.0}, Share(cpus=0.1), 10),
        ({"memory": 1e9}, Share(), 0),
    ],
)
def test_a_node_has_room_for_so_many_workers(
    resources: dict[str, float], share: Share, room: int
) -> None:
    assert room_for_workers(resources, share) == room


def test_without_a_terminal_a_line_comes_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 1000.0
    monkeypatch.setattr(farm_display.time, "monotonic", lambda: now)
    with open_queue(MEMORY) as queue, open_manifest(None, "") as manifest:
        display = Display(manifest, Collected(films=4, seconds=7200.0), quiet=False)
        events = [
            Event(Path("a"), "done", seconds=3600.0, elapsed=99.0, node="desk"),
            Event(Path("b"), "failed", reason="'/films/b.mkv' is no media."),
        ]
        with display.shown():
            for name, event in zip(("a", "b"), events, strict=True):
                queue.add(f"/films/{name}.mkv", priority=1800)
                job = queue.claim("me")
                assert job
                now += 50.0
                display.report(job, event)
                display.refresh()
    assert capsys.readouterr().err.splitlines() == [
        "1 of 4 films, 1.0 h of audio, RTFx 72, about 00:02:30 left",
        "'/films/b.mkv' is no media.",
        "2 of 4 films, 1.0 h of audio, RTFx 36, 1 failed, about 00:01:40 left",
    ]
