"""WebVTT (.vtt): the format of web players."""

from __future__ import annotations

import html
import re
from itertools import takewhile

from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import clean_lines, format_time, scan_blocks
from gptasr_subs.formats.document import Document
from gptasr_subs.types import Cue

# <i>, </c.loud>, <v Mary>, <00:01.500>; any other "<" is a mistake of its writer and stays.
_TAG = re.compile(r"</?(?:[a-zA-Z][^<>]*|[\d:.]+)?>")


class Vtt:
    """Escapes what the format reserves. Reading drops styles, notes, settings and tags, and keeps the text."""

    name = "vtt"
    extension = "vtt"

    def write(self, document: Document) -> str:
        """The header and all cues, without identifiers."""
        return "\n".join(["WEBVTT\n", *map(_block, document.cues)])

    def read(self, text: str) -> list[Cue]:
        """All cues of a WebVTT file, or of an SRT file that is called so. Raises FormatError."""
        cues = []
        for block in scan_blocks(text):
            lines = takewhile(bool, block.lines)  # an empty line ends the cue; an identifier or a note may follow
            cues.append(block.cue(html.unescape(_TAG.sub("", line)) for line in lines))
        if not cues and text.strip() and not text.lstrip().startswith("WEBVTT"):
            raise FormatError("This is not a WebVTT file: it does not begin with WEBVTT and has no timed lines.")
        return cues


def _block(cue: Cue) -> str:
    times = f"{format_time(cue.start, '.')} --> {format_time(cue.end, '.')}"
    return "\n".join([times, *map(_escape, clean_lines(cue.lines)), ""])


def _escape(line: str) -> str:
    """With this no text can be a tag or an entity, and no arrow can be a timing line."""
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
