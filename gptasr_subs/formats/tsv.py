"""Tab-separated values (.tsv): start and end in milliseconds and the text, for spreadsheets and
scripts.
"""

from __future__ import annotations

from math import isfinite

from gptasr_subs.cues.markup import literal, plain
from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import clean_lines
from gptasr_subs.formats.document import Document
from gptasr_subs.formats.times import milliseconds
from gptasr_subs.types import Cue

_COLUMNS = ["start", "end", "text"]


class Tsv:
    """A row a cue, its lines joined by spaces, under a header."""

    name = "tsv"
    extension = "tsv"

    def write(self, document: Document) -> str:
        """Return all cues."""
        rows = [
            f"{milliseconds(cue.start)}\t{milliseconds(cue.end)}\t"
            + " ".join(clean_lines(map(plain, cue.lines)))
            for cue in document.cues
        ]
        return "".join(f"{row}\n" for row in ["\t".join(_COLUMNS), *rows])

    def read(self, text: str) -> list[Cue]:
        """Return all rows, with or without the header; times with a decimal point are seconds.

        Raises FormatError.
        """
        rows = [line.split("\t", 2) for line in text.split("\n") if line.strip()]
        if rows and [name.strip().lower() for name in rows[0]] == _COLUMNS:
            rows = rows[1:]
        try:
            return [
                Cue(_seconds(start), _seconds(end), tuple(clean_lines(map(literal, text))))
                for start, end, *text in rows
            ]
        except ValueError as error:
            raise FormatError("This TSV file has rows that are not start, end and text.") from error


def _seconds(number: str) -> float:
    seconds = float(number) if "." in number else int(number) / 1000
    if not isfinite(seconds):
        raise ValueError("no time")
    return seconds
