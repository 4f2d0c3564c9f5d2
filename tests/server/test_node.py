"""OpenAI's client for Node gets what that for Python gets.

It is found through NODE_PATH: ``npm install -g openai; export NODE_PATH=$(npm root -g)``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.films import SPOKEN
from tests.support.served import Served

SCRIPT = Path(__file__).with_name("openai.cjs")


def has_package() -> bool:
    command = ["node", "-e", "require.resolve('openai')"]
    return (
        bool(shutil.which("node")) and subprocess.run(command, capture_output=True).returncode == 0
    )


@pytest.fixture
def found(server: Served, film: bytes, tmp_path: Path) -> Any:
    if not has_package():
        pytest.skip("needs node, and openai of npm in NODE_PATH")
    (tmp_path / "talk.mp4").write_bytes(film)
    (tmp_path / "broken.mp4").write_bytes(b"no media" * 96)
    places = [str(tmp_path / name) for name in ("talk.mp4", "broken.mp4")]
    command = ["node", str(SCRIPT), f"{server.url}/v1", *places]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_formats_events_and_errors(found: Any) -> None:
    assert found["json"]["text"] == SPOKEN and found["text"].split() == SPOKEN.split()
    assert found["srt"].startswith("1\n00:00:0") and found["vtt"].startswith("WEBVTT\n\n")
    assert [part["text"] for part in found["verbose_json"]["segments"]] == [
        part["text"] for part in found["diarized_json"]["segments"]
    ]
    kinds = [event["type"] for event in found["events"]]
    assert kinds.count("transcript.text.segment") == 2 and kinds[-1] == "transcript.text.done"
    assert found["unknown"] == [True, "model_not_found", "model"]
    assert found["failed"][0] is True and "no media" in found["failed"][1]
