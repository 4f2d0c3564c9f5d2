"""A window that is told by its samples, and words that a rounded number would change."""

from __future__ import annotations

import numpy as np

from gptasr_subs.speech.segmentation import Window
from gptasr_subs.types import Span, Word
from tests.support.media_maker import RATE

WORDS = [Word("Zoë", 0.1, 0.30000000000000004, 1 / 3), Word("b", 1.0, 2.0)]


def window(start: float, value: float = 0.5) -> Window:
    return Window(
        Span(start, start + 2.0),
        np.full(2 * RATE, value, np.float32),
        (Span(start + 0.5, start + 1.5),),
    )
