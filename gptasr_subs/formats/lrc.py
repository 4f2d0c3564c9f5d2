"""Lyrics (.lrc): one line of text at a time, as music players show it."""

from __future__ import annotations

import re

from gptasr_subs.cues.markup import literal, plain
from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import clean_lines
from gptasr_subs.formats.document import Document
from gptasr_subs.formats.reading import Parsed, Reading, left_out
from gptasr_subs.formats.spoken import spoken_lines
from gptasr_subs.types import Cue

_TIME = r"(\d{1,6}:\d{1,2}(?=:\d{1,2}[.,])|\d{1,6}):(\d{1,2}(?:[.,:]\d{1,3})?)"
_LINE = re.compile(rf"\s*((?:\[\s?{_TIME}\s?\])+)(.*)", re.ASCII)
_FACT = re.compile(r"\s*\[[a-zA-Z#]+:.*\]\s*")  # [ar:Somebody]
_WORD = re.compile(rf"<{_TIME}>", re.ASCII)
_OFFSET = re.compile(r"\[offset:\s*([+-]?\d+)\s*\]", re.IGNORECASE)
_LONGEST = 7.0  # seconds a line stands where nothing follows


class Lrc(Parsed):
    """Times are hundredths of a second. A time without text ends the line before it.

    Lines of a cue become one.
    """

    name = "lrc"
    extension = "lrc"

    def write(self, document: Document) -> str:
        """Return all cues, each word with its time if the document's style has word times."""
        shown = [
            (cue, words)
            for cue, words in zip(document.cues, spoken_lines(document), strict=True)
            if _text(cue)
        ]
        lines = []
        for (cue, words), (following, _) in zip(shown, [*shown[1:], (None, None)], strict=False):
            words = words if document.style.word_times else None
            text = _text(cue)
            if words:
                text = " ".join(
                    f"<{_clock(word.start)}>{word.text}" for line in words for word in line
                )
            lines.append(f"[{_clock(cue.start)}]{text}")
            if following is None or _clock(following.start) != _clock(cue.end):
                lines.append(f"[{_clock(cue.end)}]")
        return "".join(f"{line}\n" for line in lines)

    def parse(self, text: str) -> Reading:
        """Return all lines of text as cues; each stands until the next time. Raises FormatError."""
        shift = _OFFSET.search(text)  # in milliseconds; positive shows lines sooner
        sooner = int(shift[1]) / 1000 if shift else 0.0
        found = []
        for line in filter(None, map(_LINE.fullmatch, text.split("\n"))):
            words = " ".join(clean_lines([_WORD.sub("", line[4])]))
            for clock, seconds in re.findall(_TIME, line[1]):
                hours, _, minutes = f"0:{clock}".rpartition(":")
                whole = int(hours.rpartition(":")[2]) * 3600 + int(minutes) * 60
                start = round(whole + float(re.sub("[,:]", ".", seconds)), 3)
                found.append((max(0.0, start - sooner), words))
        found.sort(key=lambda line: line[0])
        if not found and text.strip():
            raise FormatError("This is not an LRC file: it has no line like [00:01.00]text.")
        starts = sorted({start for start, _ in found})
        ends = dict(
            zip(starts, [*starts[1:], starts[-1] + _LONGEST] if starts else [], strict=True)
        )
        cues = [Cue(start, ends[start], (literal(line),)) for start, line in found if line]
        untimed = [
            line for line in text.split("\n") if not (_LINE.match(line) or _FACT.match(line))
        ]
        return Reading(cues, tuple(left_out(untimed)))


def _text(cue: Cue) -> str:
    """One line; a space keeps a text that looks like a time from being one."""
    text = _WORD.sub(lambda time: f"< {time[0][1:]}", " ".join(clean_lines(map(plain, cue.lines))))
    return f" {text}" if _LINE.fullmatch(text) else text


def _clock(seconds: float) -> str:
    whole, hundredths = divmod(max(0, round(seconds * 100)), 100)
    return f"{whole // 60:02d}:{whole % 60:02d}.{hundredths:02d}"
