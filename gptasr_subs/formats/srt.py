"""SubRip (.srt): numbered cues, the format every player reads."""

from __future__ import annotations

import io
import re
from dataclasses import replace

from gptasr_subs.cues.markup import JOINER, convert, strip_tags
from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import clean_lines, scan_blocks, with_lines
from gptasr_subs.formats.document import Document
from gptasr_subs.formats.overrides import hide_codes, read_codes
from gptasr_subs.formats.reading import Parsed, Reading, close_open, left_out
from gptasr_subs.formats.tags import hide_tags, read_tags
from gptasr_subs.formats.times import as_text, is_timing, milliseconds, stray_words
from gptasr_subs.types import Cue

_ARROW = re.compile(r"--?\s?>")


class Srt(Parsed):
    r"""Writes with pysrt. SubRip has no escapes: its tags are the markup of cues, all else is text.

    A position other than the usual one stands as ``{\an8}`` before the text, as players know it
    from ASS. Text that would be taken for a tag or such a code has an invisible sign in it.
    """

    name = "srt"
    extension = "srt"

    def write(self, document: Document) -> str:
        """Return all cues, numbered from 1."""
        import pysrt  # takes a while, and most commands do not write

        items = [
            pysrt.SubRipItem(
                i, milliseconds(cue.start), milliseconds(cue.end), "\n".join(_lines(cue))
            )
            for i, cue in enumerate(document.cues, start=1)
        ]
        text = io.StringIO()
        pysrt.SubRipFile(items).write_into(text, eol="\n")
        return text.getvalue()

    def parse(self, text: str) -> Reading:
        """Return all cues, also those pysrt drops: with no number or hours, no blank line before or
        one within, times with letters in them or without an end.
        """
        scan = scan_blocks(text)
        if not scan.blocks and text.strip():
            raise FormatError(
                "This is not an SRT file: it has no line like 00:00:01,000 --> 00:00:02,000."
            )
        cues = []
        for block in scan.blocks:
            texts = [stray_words(block.timing.settings), *block.lines]
            lines = [line.strip().removeprefix(JOINER) for line in clean_lines(texts)]
            lines, place = read_codes(lines)
            cues.append(with_lines(block.cue([], place or 2), map(read_tags, lines)))
        read = close_open(cues)
        return replace(read, remarks=(*read.remarks, *left_out([*scan.head, *scan.untimed])))


def _lines(cue: Cue) -> list[str]:
    """Return the cue's text, in which no line would be taken for two times."""
    lines = clean_lines(
        convert(strip_tags(line, "v"), str, lambda words: hide_codes(hide_tags(words)))
        for line in cue.lines
    )
    lines = [_ARROW.sub(">", line) if is_timing(line) else line for line in lines]
    lines = list(map(as_text, lines))
    placed = bool(lines) and cue.position != 2
    return [f"{{\\an{cue.position}}}{lines[0]}", *lines[1:]] if placed else lines
