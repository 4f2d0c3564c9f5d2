"""SubViewer as YouTube writes it (.sbv)."""

from __future__ import annotations

import re

from gptasr_subs.cues.markup import plain
from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import clean_lines, milliseconds
from gptasr_subs.formats.document import Document
from gptasr_subs.types import Cue

_TIME = r"(\d+):(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME},{_TIME}\s*", re.ASCII)


class Sbv:
    """Two times on a line, then lines of text without any markup."""

    name = "sbv"
    extension = "sbv"

    def write(self, document: Document) -> str:
        """All cues, a blank line between."""
        blocks = ["\n".join([f"{_clock(cue.start)},{_clock(cue.end)}", *_lines(cue), ""]) for cue in document.cues]
        return "\n".join(blocks)

    def read(self, text: str) -> list[Cue]:
        """All cues. Raises FormatError."""
        cues: list[Cue] = []
        for line in text.split("\n"):
            if found := _TIMING.fullmatch(line):
                cues.append(Cue(_seconds(*found.groups()[:4]), _seconds(*found.groups()[4:]), ()))
            elif cues:
                shown = clean_lines(line.split("[br]"))
                cues[-1] = Cue(cues[-1].start, cues[-1].end, (*cues[-1].lines, *shown))
        if not cues and text.strip():
            raise FormatError("This is not an SBV file: it has no line like 0:00:01.000,0:00:02.000.")
        return cues


def _lines(cue: Cue) -> list[str]:
    """Text that looks like two times or like a line end gets a space, which keeps it text."""
    lines = [line.replace("[br]", "[br ]") for line in clean_lines(map(plain, cue.lines))]
    return [line.replace(",", ", ") if _TIMING.fullmatch(line) else line for line in lines]


def _clock(seconds: float) -> str:
    total, millis = divmod(milliseconds(seconds), 1000)
    return f"{total // 3600}:{total // 60 % 60:02d}:{total % 60:02d}.{millis:03d}"


def _seconds(hours: str, minutes: str, seconds: str, fraction: str) -> float:
    return float(f"{int(hours) * 3600 + int(minutes) * 60 + int(seconds)}.{fraction}")
