"""What SRT and WebVTT share: lines of text under a line of two times, and how far other tools stray
from it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gptasr_subs.types import Cue

# Hours are optional and unlimited, digits may be missing, the fraction may follow a comma, a dot or
# a colon.
_TIME = r"(-?)(?:(\d+)\s?:\s?)?(\d{1,2})\s?:\s?(\d{1,2})(?:\s?[.,:]\s?(\d{1,9}))?(?!\d)"
_TIMING = re.compile(rf"\s*{_TIME}\s*--?\s?>\s*{_TIME}(\s.*)?", re.ASCII)
_LINE_ENDS = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


@dataclass(frozen=True)
class Block:
    """Two times in seconds, what stands behind them, and all the lines of the file until the next
    two times.
    """

    start: float
    end: float
    settings: str
    lines: list[str]

    def cue(self, lines: Iterable[str], position: int = 2) -> Cue:
        """The cue of these times with what of ``lines`` can be shown."""
        return Cue(self.start, self.end, tuple(clean_lines(lines)), position)


def scan_blocks(text: str) -> Iterator[Block]:
    """Find the timing lines and what stands between them."""
    # So that the last line of text never stands where the next cue's number would
    lines = [*text.split("\n"), ""]
    timings = [(i, match) for i, line in enumerate(lines) if (match := _TIMING.fullmatch(line))]
    stops = [*(i for i, _ in timings), len(lines)][1:]
    for (i, match), stop in zip(timings, stops, strict=True):
        times = match.groups()
        yield Block(_seconds(*times[:5]), _seconds(*times[5:10]), times[10] or "", lines[i + 1 : stop])


def _seconds(
    sign: str | None, hours: str | None, minutes: str | None, seconds: str | None, fraction: str | None
) -> float:
    """A time as seconds; one before the video's start is its start."""
    if sign:
        return 0.0
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    # Parsed once, so that 1.981 is the same number as anywhere else
    return float(f"{whole}.{fraction or 0}")


def is_timing(line: str) -> bool:
    """Whether a line of text would be taken for two times."""
    return _TIMING.fullmatch(line) is not None


def format_time(seconds: float, separator: str) -> str:
    """``HH:MM:SS`` and milliseconds after the separator; hours may take three digits."""
    total, millis = divmod(milliseconds(seconds), 1000)
    return f"{total // 3600:02d}:{total // 60 % 60:02d}:{total % 60:02d}{separator}{millis:03d}"


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, never before the video's start."""
    return max(0, round(seconds * 1000))


def clean_lines(lines: Iterable[str]) -> list[str]:
    """Lines as a subtitle file can hold them: no line ends within, no blank ones, no control
    characters.
    """
    parts = [part for line in lines for part in _LINE_ENDS.split(line)]
    return [kept for part in parts if (kept := _printable(part).strip())]


def _printable(text: str) -> str:
    """Without control characters (a tab is a space) and with halves of surrogate pairs marked as
    broken.
    """
    kept = (" " if char == "\t" else char for char in text if char == "\t" or unicodedata.category(char) != "Cc")
    return "".join("\ufffd" if unicodedata.category(char) == "Cs" else char for char in kept)
