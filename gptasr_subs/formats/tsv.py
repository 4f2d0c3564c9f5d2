"""Tab-separated values (.tsv): start and end in milliseconds and the text, for spreadsheets and
scripts.
"""

from __future__ import annotations

from gptasr_subs.cues.markup import plain
from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import clean_lines, milliseconds
from gptasr_subs.formats.document import Document
from gptasr_subs.types import Cue

_COLUMNS = ["start", "end", "text"]


class Tsv:
    """A row a cue, its lines joined by spaces, under a header."""

    name = "tsv"
    extension = "tsv"

    def write(self, document: Document) -> str:
        """All cues."""
        rows = [
            (str(milliseconds(cue.start)), str(milliseconds(cue.end)), " ".join(clean_lines(map(plain, cue.lines))))
            for cue in document.cues
        ]
        return "".join("\t".join(row) + "\n" for row in [_COLUMNS, *rows])

    def read(self, text: str) -> list[Cue]:
        """All rows, with or without the header; times with a decimal point are seconds.

        Raises FormatError.
        """
        rows = [line.split("\t", 2) for line in text.split("\n") if line.strip()]
        if rows and rows[0] == _COLUMNS:
            rows = rows[1:]
        try:
            return [Cue(_seconds(row[0]), _seconds(row[1]), tuple(clean_lines(row[2:]))) for row in rows]
        except (ValueError, IndexError) as error:
            raise FormatError("This TSV file has rows that are not start, end and text.") from error


def _seconds(number: str) -> float:
    return float(number) if "." in number else int(number) / 1000
