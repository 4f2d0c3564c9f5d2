"""CTC outputs with words planted in them, and a film of lines said in that way."""

from __future__ import annotations

import numpy as np

from gptasr_subs.align.known_text import CtcEmissions
from gptasr_subs.model import ctc
from gptasr_subs.speech.segmentation import Window
from gptasr_subs.types import FloatArray, Span

FRAME = 0.03  # seconds

_SPACE_FRAMES = 3
_PAUSE_FRAMES = 20


def planted(frames: int, *words: tuple[int, str], sure: float = 0.95) -> FloatArray:
    """CTC log-probabilities with each word's letters on every second frame from its first."""
    probs = np.full((frames, ctc.CLASSES), (1 - sure) / (ctc.CLASSES - 1), np.float32)
    classes = np.zeros(frames, int)
    for first, word in words:
        classes[first : first + 2 * len(word) : 2] = ctc.encode(word)
    probs[np.arange(frames), classes] = sure
    return np.log(probs)


def said(lines: list[str]) -> tuple[CtcEmissions, list[Span]]:
    """A film of one window in which the lines are said with a pause after each, and when."""
    now, words, spans = 10, [], []
    for line in lines:
        first = now
        for word in line.split():
            words.append((now, word))
            now += 2 * len(word) + _SPACE_FRAMES
        spans.append(Span(first * FRAME, (now - _SPACE_FRAMES) * FRAME))
        now += _PAUSE_FRAMES
    window = Window(Span(0.0, now * FRAME), np.zeros(0, np.float32), tuple(spans))
    return CtcEmissions(planted(now, *words), FRAME * np.arange(now), FRAME, (window,)), spans
