"""How late CTC hears words: found on sound whose words are known, and put into the checkpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from gptasr_subs.errors import UsageError
from gptasr_subs.model import ctc
from gptasr_subs.model.checkpoint import load_checkpoint, save_checkpoint, set_offsets
from gptasr_subs.recognition.gptasr import GptAsrRecognizer
from gptasr_subs.training.ctc_offsets import Spoken, measure_offsets, read_by_flite
from gptasr_subs.types import FloatArray, Span
from tests.support.tiny import tiny_checkpoint

RATE = 22050
FRAME = 0.03
WORDS = ("one", "two", "three", "four")
SPANS = (Span(0.3, 0.6), Span(0.7, 1.0), Span(1.2, 1.7), Span(2.0, 2.4))


class Late(GptAsrRecognizer):
    """Emits every word of ``WORDS`` in its span, but for its first letter ``seconds`` later."""

    def __init__(self, seconds: float, sure: float = 0.99) -> None:
        super().__init__(tiny_checkpoint())
        self.seconds, self.sure = seconds, sure

    @property
    def frame_seconds(self) -> float:
        return FRAME

    def ctc_log_probs(self, clips: list[FloatArray]) -> list[FloatArray]:  # type: ignore[override]
        frames = np.zeros(round(3.5 / FRAME), dtype=int)
        for word, span in zip(WORDS, SPANS, strict=True):
            times = np.linspace(span.start, span.end - FRAME, len(word)) + self.seconds
            frames[np.round(times / FRAME).astype(int)] = ctc.encode(word)
        spaces = [round((span.end + self.seconds) / FRAME) + 1 for span in SPANS[:-1]]
        frames[spaces] = ctc.SPACE
        probabilities = np.full((len(frames), ctc.CLASSES), (1 - self.sure) / (ctc.CLASSES - 1))
        probabilities[np.arange(len(frames)), frames] = self.sure
        return [np.log(probabilities).astype(np.float32)]


def sentence() -> Spoken:
    return Spoken(np.zeros(int(3.5 * RATE), np.float32), RATE, WORDS, SPANS)


@pytest.mark.parametrize("late", [0.0, 0.09, 0.15])
def test_the_lateness_of_ctc_is_found(late: float) -> None:
    found = measure_offsets(Late(late), [sentence()])
    assert found.words == len(WORDS)
    assert found.start == pytest.approx(-late, abs=FRAME / 2)
    assert found.end == pytest.approx(-late, abs=FRAME)
    assert found.start_spread < FRAME


def test_words_nobody_is_sure_of_are_not_measured() -> None:
    with pytest.raises(UsageError, match="train it for longer"):
        measure_offsets(Late(0.1, sure=0.2), [sentence()])


def test_only_the_offsets_of_a_checkpoint_change(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, tiny_checkpoint())
    before = json.loads((tmp_path / "model.json").read_text())
    set_offsets(tmp_path, -0.0712, 0.0049)
    after = json.loads((tmp_path / "model.json").read_text())
    assert after == {**before, "start_offset": -0.071, "end_offset": 0.005}
    loaded = load_checkpoint(tmp_path)
    assert (loaded.start_offset, loaded.end_offset) == (-0.071, 0.005)
    assert all(torch.isfinite(p).all() for p in loaded.model.parameters())


@pytest.mark.skipif(not shutil.which("flite"), reason="flite is not installed")
def test_flite_tells_where_its_words_are() -> None:
    lines = [
        "too short",
        "In 1990 nobody had one.",
        "The cat sat on the mat.",
        "We saw them walk along the road.",
    ]
    found = list(read_by_flite(lines, 2))
    assert [len(spoken.words) for spoken in found] == [6, 7]
    for spoken in found:
        times = [time for span in spoken.spans for time in (span.start, span.end)]
        assert times == sorted(times)
        level = np.abs(spoken.samples)
        inside = np.concatenate(
            [level[round(s.start * spoken.rate) : round(s.end * spoken.rate)] for s in spoken.spans]
        )
        before = level[: round(spoken.spans[0].start * spoken.rate)]
        assert inside.mean() > 10 * before.mean()


def test_without_flite_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="install the program flite"):
        list(read_by_flite(["The cat sat on the mat."], 1))
