"""``gptasr-subs doctor`` in settings that are broken, each told in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from gptasr_subs.doctor import Finding, State, examine
from gptasr_subs.media.ffmpeg import find_ffmpeg
from gptasr_subs.storage.folders import CACHE_VARIABLE
from tests.support.films import names_in
from tests.support.processes import posix, start

TORCH = """
from types import SimpleNamespace as made
__version__ = "9.0"
version = made(cuda={cuda!r})
backends = made(mps=made(is_available=lambda: False))
cuda = made(device_count=lambda: 0)
"""


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages ahead of all others, with a torch that is imported in no time."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "torch.py").write_text(TORCH.format(cuda=None))
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    return folder


@pytest.fixture(autouse=True)
def ffmpeg_is_looked_for() -> Iterator[None]:
    find_ffmpeg.cache_clear()
    yield
    find_ffmpeg.cache_clear()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of programs there is."""
    (tmp_path / "programs").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    return tmp_path / "programs"


def amiss() -> list[Finding]:
    """What is not ok; each is one sentence."""
    found = [finding for finding in examine() if finding.state != State.OK]
    assert all(finding.text.endswith(".") and "\n" not in finding.text for finding in found)
    return found


def test_where_all_is_well_nothing_is_amiss() -> None:
    found = {finding.subject: finding.text for finding in examine()}
    assert list(found) == [
        *("system", "variables", "ffmpeg", "model", "cache", "queue", "extras", "plugins"),
        *("torch", "GPU"),
    ]
    assert "default" in found["model"] and found["torch"] == "9.0, without CUDA"
    assert "MiB free" in found["cache"] and "server" in found["extras"]


def test_an_extra_is_whole_without_what_this_python_brings_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needed = [
        "pytest>=8; extra == 'train'",
        "nowhere-to-be-found>=2; python_version < '3.11' and extra == 'train'",
        "nowhere-to-be-found>=2; extra == 'hub'",
    ]
    monkeypatch.setattr(
        "gptasr_subs.doctor.distribution", lambda name: SimpleNamespace(requires=needed)
    )
    found = {finding.subject: finding.text for finding in examine()}
    assert found["extras"] == "train yes, hub no"


def test_no_ffmpeg(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    (finding,) = amiss()
    assert finding.subject == "ffmpeg" and finding.state == State.FAULT
    assert finding.text.startswith("ffmpeg is not installed; install it")


@posix
@pytest.mark.parametrize(
    ("script", "state", "words"),
    [
        ("exit 1", State.FAULT, "does not run; install ffmpeg again."),
        ("echo ffmpeg version 7 Copyright", State.GAP, "has no libass"),
    ],
)
def test_an_ffmpeg_that_is_of_little_use(
    programs: Path, script: str, state: State, words: str
) -> None:
    (programs / "ffmpeg").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "ffmpeg").chmod(0o755)
    (finding,) = amiss()
    assert finding.state == state and words in finding.text


def test_a_cache_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    (finding,) = amiss()
    assert finding.subject == "cache" and finding.state == State.GAP
    assert "there is a file of that name" in finding.text and CACHE_VARIABLE in finding.text


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The cache on a disk of its own, of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.name != "posix" or not mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", folder):
        pytest.skip("disks cannot be mounted here")
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    yield folder
    subprocess.run(["umount", folder], check=True)


def mount(*arguments: str | Path) -> bool:
    try:
        return not subprocess.run(["mount", *arguments], check=False, stderr=-3).returncode
    except OSError:
        return False


def test_a_cache_without_write_access(disk: Path) -> None:
    assert mount("-o", "remount,ro", disk)
    (finding,) = amiss()
    assert finding.subject == "cache" and "the disk is read-only; write else" in finding.text


def test_a_full_disk(disk: Path) -> None:
    (finding,) = amiss()
    assert finding.state == State.GAP and "MiB left; free some" in finding.text
    (disk / "film.mkv").write_bytes(bytes(2 << 20))
    (finding,) = amiss()
    assert "the disk is full; free some space or write elsewhere" in finding.text
    assert names_in(disk) == ["film.mkv"]


@pytest.mark.parametrize(
    ("torch", "reason"),
    [
        ("raise ImportError('libgomp.so.1: no such file')", "libgomp.so.1: no such file"),
        ("import os; os.abort()", "it ended with -6"),
    ],
)
def test_a_torch_that_cannot_be_imported(packages: Path, torch: str, reason: str) -> None:
    (packages / "torch.py").write_text(torch)
    (finding,) = amiss()
    assert finding.subject == "torch" and finding.state == State.FAULT
    assert reason in finding.text and "pip install --force-reinstall torch" in finding.text


@posix
@pytest.mark.parametrize(
    ("cuda", "words"), [(None, "torch is built without CUDA"), ("13.0", "not for CUDA 13.0")]
)
def test_a_gpu_that_is_not_used(
    packages: Path, cuda: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (packages / "torch.py").write_text(TORCH.format(cuda=cuda))
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (finding,) = amiss()
    assert finding.subject == "GPU" and words in finding.text


def test_a_broken_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("odd", "no_such_package:thing", "gptasr_subs.formats")]
    monkeypatch.setattr(
        "gptasr_subs.plugins.entry_points", lambda group: [p for p in points if p.group == group]
    )
    monkeypatch.setattr("gptasr_subs.plugins._package", lambda entry: "odd-package 1.0")
    found = [finding for finding in amiss() if finding.text.startswith("odd ")]
    assert [finding.state for finding in found] == [State.GAP]
    assert (
        "cannot be used (ModuleNotFoundError: No module named 'no_such_package')" in found[0].text
    )


def test_a_damaged_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptasr_subs.model.files.SHIPPED", tmp_path / "checkpoints")
    assert "is gone" in amiss()[0].text
    (tmp_path / "checkpoints" / "default").mkdir(parents=True)
    (tmp_path / "checkpoints" / "default" / "model.json").write_text("{}")
    (tmp_path / "checkpoints" / "default" / "model.safetensors").write_bytes(bytes(100))
    (finding,) = amiss()
    assert finding.subject == "model" and "is damaged" in finding.text


def test_the_command_says_it_and_imports_nothing_heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPTASR_SUBS_KEY", "secret")
    process = start("-X", "importtime", "-m", "gptasr_subs", "doctor", stdout=-1, stderr=-1)
    out, err = process.communicate()
    assert process.returncode == 0 and "secret" not in out
    assert [line.split()[1] for line in out.splitlines()[1:4]] == ["system", "variables", "ffmpeg"]
    assert "Subtitles can be made; nothing to mend." in err
    loaded = {line.rpartition("|")[2].strip() for line in err.splitlines()}
    assert not loaded & {"torch", "rich.console"}


def test_the_command_ends_with_1_where_no_subtitles_can_be_made(packages: Path) -> None:
    (packages / "torch.py").write_text("import nothing_of_that_name")
    process = start("-m", "gptasr_subs", "doctor", stdout=-1, stderr=-1)
    out, err = process.communicate()
    assert process.returncode == 1 and "FAULT  torch" in out
    assert (
        "No subtitles can be made until this is mended: torch." in err
        and "Traceback" not in out + err
    )
