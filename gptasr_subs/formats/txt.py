"""Plain text (.txt): what was said, to read rather than to watch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gptasr_subs.cues.markup import plain
from gptasr_subs.formats.blocks import clean_lines
from gptasr_subs.formats.document import Document
from gptasr_subs.types import Cue, Word

PARAGRAPH_PAUSE = 2.0  # seconds; shorter pauses are for breath and for effect


class Txt:
    """One line a paragraph, a blank line between.

    A new paragraph wherever the voice is silent for long.
    """

    name = "txt"
    extension = "txt"

    def write(self, document: Document) -> str:
        """The words, or the cues' text where the words are not known."""
        paragraphs = _paragraphs(document.words or document.cues)
        return "\n".join(f"{paragraph}\n" for paragraph in paragraphs)


def _paragraphs(spoken: Sequence[Word] | Sequence[Cue]) -> list[str]:
    """The text of what is spoken, joined where no long pause lies between."""
    paragraphs: list[list[str]] = [[]]
    last_end = math.inf
    for part in spoken:
        if part.start - last_end >= PARAGRAPH_PAUSE:
            paragraphs.append([])
        paragraphs[-1] += clean_lines((plain(part.text),))
        last_end = part.end
    return [" ".join(paragraph) for paragraph in paragraphs if paragraph]
