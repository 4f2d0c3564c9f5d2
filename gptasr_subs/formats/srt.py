"""SubRip (.srt): numbered cues, the format every player reads."""

from __future__ import annotations

import io
import re

from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import Block, clean_lines, is_timing, milliseconds, scan_blocks
from gptasr_subs.formats.document import Document
from gptasr_subs.types import Cue

_ARROW = re.compile(r"--?\s?>")


class Srt:
    """Writes with pysrt. SubRip has no escapes, so text stands as it is, and tags such as ``<i>`` are read as text."""

    name = "srt"
    extension = "srt"

    def write(self, document: Document) -> str:
        """All cues, numbered from 1."""
        import pysrt  # takes a while, and most commands do not write

        items = [
            pysrt.SubRipItem(i, milliseconds(cue.start), milliseconds(cue.end), "\n".join(_lines(cue)))
            for i, cue in enumerate(document.cues, start=1)
        ]
        text = io.StringIO()
        pysrt.SubRipFile(items).write_into(text, eol="\n")
        return text.getvalue()

    def read(self, text: str) -> list[Cue]:
        """All cues, also those pysrt drops: with no number or hours, no blank line before or one within."""
        cues = [block.cue(_without_number(block)) for block in scan_blocks(text)]
        if not cues and text.strip():
            raise FormatError("This is not an SRT file: it has no line like 00:00:01,000 --> 00:00:02,000.")
        return cues


def _lines(cue: Cue) -> list[str]:
    """The cue's text; of a line that would be taken for two times only the arrow's head is left."""
    return [_ARROW.sub(">", line) if is_timing(line) else line for line in clean_lines(cue.lines)]


def _without_number(block: Block) -> list[str]:
    """The block without the number of the next cue, which stands right above that cue's times."""
    has_number = bool(block.lines) and block.lines[-1].strip().isdecimal()
    return block.lines[:-1] if has_number else block.lines
