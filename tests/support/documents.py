"""A document to write in every format, and what the golden files hold."""

from __future__ import annotations

from pathlib import Path

from gptasr_subs.formats import Document
from gptasr_subs.types import Cue, Word

GOLDEN = Path(__file__).parents[1] / "golden"

NAMES = ["srt", "vtt", "ass", "ttml", "sbv", "lrc", "tsv", "txt", "json"]

WORDS = (
    Word("Tom", 1.0, 1.25, 0.98765),
    Word("&", 1.25, 1.5, 0.5),
    Word("Zoë", 1.5, 2.0, 1.0),
    Word("asked:", 2.0, 2.4, 0.9),
    Word("is", 2.5, 2.75, 0.9),
    Word("3", 2.75, 3.0, 0.9),
    Word("<", 3.0, 3.25, 0.3),
    Word("4?", 3.25, 3.5, 0.9),
    Word("Yes.", 3661.0, 3661.5, 0.75),
)

CUES = (
    Cue(1.0, 4.0, ("Tom & Zoë asked:", "is 3 < 4?")),
    Cue(3661.0, 3661.833, ("Yes.",)),
)

DOCUMENT = Document(
    CUES, WORDS, source="night — 1.mkv", seconds=3700.5, language="en", model="small"
)
