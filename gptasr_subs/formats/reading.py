"""What a reader makes of a file: its cues, and in sentences what it had to leave out or assume."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf

from gptasr_subs.types import Cue

_LONGEST = 7.0  # seconds a cue without an end stands where nothing follows
_SHOWN = 60  # characters of a line that is quoted


@dataclass(frozen=True)
class Reading:
    """The cues of a file, and a sentence for each thing that a person should know about them."""

    cues: list[Cue]
    remarks: tuple[str, ...] = ()


class Parsed(ABC):
    """A format whose reader has remarks; without them it is read as any other."""

    @abstractmethod
    def parse(self, text: str) -> Reading:
        """Return the cues in a file's text and the remarks on them. Raises FormatError."""

    def read(self, text: str) -> list[Cue]:
        """Return the cues alone."""
        return self.parse(text).cues


def left_out(lines: Iterable[str]) -> list[str]:
    """Return the remark on text that has no time; none where there is none."""
    texts = [text for line in lines if (text := line.strip())]
    if not texts:
        return []
    first = texts[0] if len(texts[0]) <= _SHOWN else f"{texts[0][:_SHOWN]}..."
    if len(texts) == 1:
        return [f"A line of text has no time that can be read and is left out: {first!r}."]
    return [
        f"{len(texts)} lines of text have no time that can be read and are left out, "
        f"the first: {first!r}."
    ]


def close_open(cues: Sequence[Cue]) -> Reading:
    """Let cues whose end is infinite stand until the next one begins."""
    open_ends = [cue for cue in cues if cue.end == inf]
    if not open_ends:
        return Reading(list(cues))
    starts = [*sorted(cue.start for cue in cues), inf]
    closed = []
    for cue in cues:
        following = starts[bisect_right(starts, cue.start, hi=len(cues))]
        end = min(following, cue.start + _LONGEST) if cue.end == inf else cue.end
        closed.append(replace(cue, end=end))
    many = "A subtitle has" if len(open_ends) == 1 else f"{len(open_ends)} subtitles have"
    remark = (
        f"{many} no end (the first at {open_ends[0].start:.3f} s), the next one's start is taken."
    )
    return Reading(closed, (remark,))
