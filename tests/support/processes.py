"""The real program in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).parents[2]


posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


def load_script(name: str) -> ModuleType:
    """A program of the folder ``scripts`` as a module."""
    place = REPOSITORY / "scripts" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(name, place)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def start(*arguments: str | Path, **settings: object) -> subprocess.Popen[str]:
    command = [sys.executable, *map(str, arguments)]
    inherit = {
        **settings.pop("env", os.environ),  # type: ignore[dict-item]
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]),
    }
    return subprocess.Popen(command, text=True, env=inherit, **settings)  # type: ignore[call-overload, no-any-return]


WAITING = """
import os, sys
sys.path.insert(0, sys.argv.pop(1))
from tests.support.fake_recognizer import FakeRecognizer
import gptasr_subs.recognition.loading

class Waiting(FakeRecognizer):
    def transcribe(self, clips, **options):
        print("working", flush=True)
        sys.stdin.read()
        yield from ()

gptasr_subs.recognition.loading.load_model = lambda model, device: Waiting()
from gptasr_subs.cli import progress as module
from gptasr_subs.cli.main import main
main()
"""
