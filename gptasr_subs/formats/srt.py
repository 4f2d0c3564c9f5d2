"""SubRip (.srt): numbered cues, the format every player reads."""

from __future__ import annotations

import io
import re

from gptasr_subs.cues.markup import strip_tags
from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import Block, clean_lines, is_timing, milliseconds, scan_blocks
from gptasr_subs.formats.document import Document
from gptasr_subs.types import Cue

_ARROW = re.compile(r"--?\s?>")
_PLACE = re.compile(r"\{\\an([1-9])\}")


class Srt:
    r"""Writes with pysrt. SubRip has no escapes: its tags are the markup of cues, all else is text.

    A position other than the usual one stands as ``{\an8}`` before the text, as players know it
    from ASS.
    """

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
        """All cues, also those pysrt drops: with no number or hours, no blank line before or one
        within.
        """
        cues = [_placed(block.cue(_without_number(block))) for block in scan_blocks(text)]
        if not cues and text.strip():
            raise FormatError("This is not an SRT file: it has no line like 00:00:01,000 --> 00:00:02,000.")
        return cues


def _lines(cue: Cue) -> list[str]:
    """The cue's text; of a line that would be taken for two times only the arrow's head is left."""
    lines = clean_lines(strip_tags(line, "v") for line in cue.lines)
    lines = [_ARROW.sub(">", line) if is_timing(line) else line for line in lines]
    return [f"{{\\an{cue.position}}}{lines[0]}", *lines[1:]] if lines and cue.position != 2 else lines


def _placed(cue: Cue) -> Cue:
    """The cue at the position that its text asks for."""
    found = _PLACE.search(cue.text)
    if not found:
        return cue
    return Cue(cue.start, cue.end, tuple(clean_lines(_PLACE.sub("", line) for line in cue.lines)), int(found[1]))


def _without_number(block: Block) -> list[str]:
    """The block without the number of the next cue, which stands right above that cue's times."""
    has_number = bool(block.lines) and block.lines[-1].strip().isdecimal()
    return block.lines[:-1] if has_number else block.lines
