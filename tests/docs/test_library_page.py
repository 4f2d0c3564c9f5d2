"""The example of docs/library.md runs, and its table has every public name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gptasr_subs
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import make_film, names_in
from tests.support.pages import blocks, read_page

PAGE = read_page("docs/library.md")
(SNIPPET,) = blocks(PAGE, "python")
SHIPPED = Path(gptasr_subs.__file__).parent / "checkpoints" / "default"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a reader of the page sits."""
    make_film(tmp_path / "talk.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(not SHIPPED.exists(), reason="the shipped checkpoint is not there yet")
def test_the_example_runs_with_the_shipped_checkpoint(desk: Path) -> None:
    exec(compile(SNIPPET, "library.md", "exec"), {})
    assert {"talk.en.srt", "talk.vtt"} <= set(names_in(desk))


def test_the_example_runs_with_another_recogniser(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "gptasr_subs.recognition.loading.load_model",
        lambda model="default", device="auto": FakeRecognizer(),
    )
    names: dict[str, object] = {}
    exec(compile(SNIPPET, "library.md", "exec"), names)
    assert [word.text for word in names["words"]] == ["one", "two", "three", "four", "Five."]  # type: ignore[attr-defined]
    assert "one two three" in (desk / "talk.vtt").read_text() and (desk / "talk.en.srt").exists()


def test_every_public_name_is_explained() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(
        gptasr_subs.__all__
    )
