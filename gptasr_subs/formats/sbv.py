"""SubViewer as YouTube writes it (.sbv)."""

from __future__ import annotations

import re

from gptasr_subs.cues.markup import JOINER, literal, plain
from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import clean_lines, with_lines
from gptasr_subs.formats.document import Document
from gptasr_subs.formats.reading import Parsed, Reading, left_out
from gptasr_subs.formats.times import bare, has_words, milliseconds, to_seconds
from gptasr_subs.types import Cue

_TIME = r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})(?:[.,:;](\d{1,9}))?"
_TIMING = re.compile(rf"\s*{_TIME}\s*[,;]\s*{_TIME}\s*", re.ASCII)
# Meant to be two times, which cannot be read
_BROKEN = re.compile(
    r"\s*[\dOoIl]+[:;][\dOoIl]+[:;][^\s,]*\s*,.*|[^\u2060]*,\s*\d+:\d\d:\d\d[.,]\d+\s*"
)


class Sbv(Parsed):
    """Two times on a line, then lines of text without any markup."""

    name = "sbv"
    extension = "sbv"

    def write(self, document: Document) -> str:
        """Return all cues, a blank line between.

        Text that would be read as times or as a line break has an invisible sign or a space in it.
        """
        blocks = []
        for cue in document.cues:
            lines = [f"{_clock(cue.start)},{_clock(cue.end)}"]
            for line in clean_lines(map(plain, cue.lines)):
                text = line.replace("[br]", "[br ]")
                is_like_times = _TIMING.fullmatch(bare(text)) or _BROKEN.fullmatch(bare(text))
                lines.append(JOINER + text if is_like_times else text)
            blocks.append("\n".join([*lines, ""]))
        return "\n".join(blocks)

    def parse(self, text: str) -> Reading:
        """Return all cues. Raises FormatError."""
        cues: list[Cue] = []
        untimed: list[str] = []
        timed = False  # whether the times above a line could be read
        for line in text.split("\n"):
            if found := _TIMING.fullmatch(bare(line)):
                times = found.groups()
                cues.append(Cue(to_seconds(*times[:4]), to_seconds(*times[4:]), ()))
                timed = True
            elif _BROKEN.fullmatch(bare(line)):
                timed = False
                untimed += [line] if has_words(line) else []
            elif timed:
                parts = (part.strip().removeprefix(JOINER) for part in line.split("[br]"))
                cues[-1] = with_lines(cues[-1], [*cues[-1].lines, *map(literal, parts)])
            else:
                untimed.append(line)
        if not cues and text.strip():
            raise FormatError(
                "This is not an SBV file: it has no line like 0:00:01.000,0:00:02.000."
            )
        return Reading(cues, tuple(left_out(untimed)))


def _clock(seconds: float) -> str:
    total, millis = divmod(milliseconds(seconds), 1000)
    return f"{total // 3600}:{total // 60 % 60:02d}:{total % 60:02d}.{millis:03d}"
