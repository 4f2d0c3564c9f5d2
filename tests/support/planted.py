"""CTC outputs with words planted in them."""

from __future__ import annotations

import numpy as np

from gptasr_subs.model import ctc
from gptasr_subs.types import FloatArray


def planted(frames: int, *words: tuple[int, str], sure: float = 0.95) -> FloatArray:
    """CTC log-probabilities with each word's letters on every second frame from its first."""
    probs = np.full((frames, ctc.CLASSES), (1 - sure) / (ctc.CLASSES - 1), np.float32)
    heard = np.zeros(frames, int)
    for first, word in words:
        heard[first : first + 2 * len(word) : 2] = ctc.encode(word)
    probs[np.arange(frames), heard] = sure
    return np.log(probs)
