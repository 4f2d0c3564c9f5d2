"""Other packages add recognisers, formats and notifiers; a broken one is named and left out."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from gptasr_subs.formats import find_formats
from tests.support.ended import Program, one_line
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import make_film, names_in

REPOSITORY = Path(__file__).parents[2]
TEMPLATE = REPOSITORY / "plugins" / "template"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("odd", "no_such_package:thing", f"gptasr_subs.{kind}")
        for kind in ("formats", "recognizers")
    ]
    monkeypatch.setattr(
        "gptasr_subs.plugins.entry_points", lambda group: [p for p in points if p.group == group]
    )
    find_formats.cache_clear()


def test_the_list_says_what_there_is_and_what_cannot_be_used(
    program: Program, broken: None
) -> None:
    ended = program("plugins")
    lines = [line.split() for line in ended.out.splitlines()]
    assert ended.code == 0 and lines[0] == ["KIND", "NAME", "PACKAGE"]
    assert ["formats", "srt", "gptasr-subs"] in lines and [
        "recognizers",
        "gptasr",
        "gptasr-subs",
    ] in lines
    left_out = [
        "left",
        "out:",
        "ModuleNotFoundError:",
        "No",
        "module",
        "named",
        "'no_such_package'",
    ]
    assert ["formats", "odd", "gptasr-subs", *left_out] in lines
    assert ["recognizers", "odd", "gptasr-subs", *left_out] in lines


def test_a_broken_plugin_is_named_and_the_command_goes_on(
    program: Program, fake: FakeRecognizer, broken: None, folder: Path
) -> None:
    ended = program(folder)
    assert ended.code == 0 and names_in(folder) == ["talk.en.srt", "talk.wav"]
    assert ended.err.startswith("The plugin odd of gptasr-subs is left out: ModuleNotFoundError")


def test_a_recogniser_that_is_not_there_is_one_sentence(program: Program, folder: Path) -> None:
    ended = program(folder, "--model", "nix:tiny")
    assert ended.code == 1
    assert one_line(ended.err).startswith(
        "No installed package offers the recogniser 'nix'; there are: "
    )


def test_plugins_get_the_language_without_a_warning(
    program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    ended = program(folder, "--lang", "de", "--model", "other:tiny")
    assert ended.code == 0 and "English" not in one_line(ended.err)
    assert names_in(folder) == ["talk.de.srt", "talk.wav"]


def test_every_template_is_short() -> None:
    files = list(TEMPLATE.rglob("*.py"))
    assert len(files) >= 3
    assert max(len(file.read_text().splitlines()) for file in files) < 40


@pytest.mark.slow
def test_a_second_package_is_installed_and_used(tmp_path: Path) -> None:
    film = make_film(tmp_path / "talk.wav")
    program = install(tmp_path, REPOSITORY, TEMPLATE, REPOSITORY / "plugins" / "whisper")
    listed = run(program, "plugins")
    assert "recognizers  counter  gptasr-subs-template 0.1.0" in listed
    assert "formats      notes    gptasr-subs-template 0.1.0" in listed
    assert "recognizers  whisper  gptasr-subs-whisper 0.1.0" in listed
    assert "notifiers    logbook  gptasr-subs-template 0.1.0" in listed
    assert "formats      srt      gptasr-subs" in listed and "left out" not in listed
    run(program, str(film), "--model", "counter:Part", "--format", "notes,srt", "--no-journal")
    assert (tmp_path / "talk.en.md").read_text().startswith("# talk.wav\n\n- 0:0")
    assert "Part 1." in (tmp_path / "talk.en.srt").read_text()
    queued = make_film(tmp_path / "queued.wav")
    arrived = {"radarr_eventtype": "Download", "radarr_moviefile_path": str(queued)}
    run(program, "arr", **arrived)
    run(program, "jobs", "run", "--model", "counter:Part", "--format", "notes")
    assert (tmp_path / "queued.en.md").exists()
    assert (tmp_path / "gptasr-subs.log").read_text() == (
        "talk.wav: done talk.en.md, talk.en.srt\nqueued.wav: done queued.en.md\n"
    )
    pytest.importorskip("yt_dlp")
    output = run(
        program.with_name("python"),
        "-m",
        "yt_dlp",
        "--ignore-config",
        "--verbose",
        "--list-impersonate-targets",
    )
    assert "GptasrSubsPP" in output


def install(folder: Path, *projects: Path) -> Path:
    """A fresh virtual environment with wheels of these projects, dependencies from this one."""
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder / "wheels"]
    subprocess.run([*build, *projects], check=True)
    wheels = sorted((folder / "wheels").glob("*.whl"))
    assert len(wheels) == len(projects)
    subprocess.run([*pip, "--python", python, "install", "--no-deps", *wheels], check=True)
    where = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    shared = [path for path in sys.path if path.endswith("site-packages")]
    (Path(where) / "shared.pth").write_text("\n".join(shared) + "\n")
    return python.with_name("gptasr-subs")


def run(program: Path, *arguments: str, **facts: str) -> str:
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH"
    } | facts
    environment |= {name: str(program.parent) for name in ("GPTASR_SUBS_CACHE", "GPTASR_SUBS_DATA")}
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run([program, *arguments], env=environment, cwd=program.parent, **piped)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout
    return done.stdout
