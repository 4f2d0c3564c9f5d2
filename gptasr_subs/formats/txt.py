"""Plain text (.txt): what was said, to read rather than to watch."""

from __future__ import annotations

import math

from gptasr_subs.cues.markup import plain
from gptasr_subs.formats.blocks import clean_lines
from gptasr_subs.formats.document import Document

PARAGRAPH_PAUSE = 2.0  # seconds; shorter pauses are for breath and for effect


class Txt:
    """One line a paragraph, a blank line between.

    A new paragraph wherever the voice is silent for long.
    """

    name = "txt"
    extension = "txt"

    def write(self, document: Document) -> str:
        """Return the words, or the cues' text where the words are not known."""
        paragraphs: list[list[str]] = [[]]
        last_end = math.inf
        for part in document.words or document.cues:
            if part.start - last_end >= PARAGRAPH_PAUSE:
                paragraphs.append([])
            paragraphs[-1] += clean_lines((plain(part.text),))
            last_end = part.end
        return "\n".join(" ".join(parts) + "\n" for parts in paragraphs if parts)
