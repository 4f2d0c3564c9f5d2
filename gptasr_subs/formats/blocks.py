"""What SRT and WebVTT share: lines of text under a line of two times, and how far other tools stray
from it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise

from gptasr_subs.formats.times import (
    Timing,
    bare,
    has_words,
    is_broken_timing,
    is_timing,
    parse_timing,
)
from gptasr_subs.types import Cue

_LINE_ENDS = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_NUMBER = re.compile(r"#?\s?(\d{1,9})\s?[.:)]?")


@dataclass(frozen=True)
class Block:
    """Two times, and all the lines of the file until the next two times."""

    timing: Timing
    lines: list[str]

    def cue(self, lines: Iterable[str], position: int = 2) -> Cue:
        """Return the cue of these times with what of ``lines`` can be shown."""
        return Cue(self.timing.start, self.timing.end, tuple(clean_lines(lines)), position)


@dataclass
class Scan:
    """A file's blocks, the lines above the first, and those under times that cannot be read."""

    head: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    untimed: list[str] = field(default_factory=list)


def scan_blocks(text: str) -> Scan:
    """Find the lines of times and what stands between them, without the numbers of cues."""
    lines = _undoubled(text.split("\n"))
    stops = [i for i, line in enumerate(lines) if is_timing(line) or is_broken_timing(line)]
    edges = [*stops, len(lines)]
    parts = [lines[: edges[0]], *(lines[a + 1 : b] for a, b in pairwise(edges))]
    parts = _without_numbers(parts)
    scan = Scan(head=parts[0])
    for stop, part in zip(stops, parts[1:], strict=True):
        timing = parse_timing(lines[stop])
        if timing:
            scan.blocks.append(Block(timing, part))
        else:
            scan.untimed += [lines[stop], *part] if has_words(lines[stop]) else part
    return scan


def _undoubled(lines: list[str]) -> list[str]:
    """Return the lines of a file all of whose line ends were doubled as they were before."""
    filled = [bool(bare(line)) for line in lines]
    doubled = sum(filled) > 2 and not any(a and b for a, b in pairwise(filled))
    if not doubled:
        return lines
    single: list[str] = []
    for blank, group in groupby(lines, key=lambda line: not bare(line)):
        run = list(group)
        single += run[: (len(run) - 1) // 2] if blank else run
    return single


def _without_numbers(parts: Sequence[list[str]]) -> list[list[str]]:
    """Return the lines between times without the number of the cue that follows.

    In a file without numbers a number is text; one that has them has one above its first times.
    """
    numbered = _number_below(parts[0]) is not None
    before = 0
    stripped = []
    for index, part in enumerate(parts):
        number = _number_below(part)
        is_last = index == len(parts) - 1
        if number is not None and _is_of_cue(
            part, number, expected=before + 1, numbered=numbered, is_last=is_last
        ):
            stripped.append(part[: _last_filled(part)])
            before = number
        else:
            stripped.append(part)
            before += 1
    return stripped


def _is_of_cue(
    part: list[str], number: int, *, expected: int, numbered: bool, is_last: bool
) -> bool:
    """Return whether the number at the end of these lines is that of a cue, not text."""
    last = _last_filled(part)
    is_next = number == expected
    after_blank = last > 0 and not bare(part[last - 1])
    if is_last:  # a number that no times follow
        return numbered and is_next and after_blank and any(map(bare, part[:last]))
    if last < len(part) - 1:  # a blank line stands between it and the times
        return numbered and (is_next or not any(map(bare, part[:last])))
    return numbered or (after_blank and is_next)


def _last_filled(part: list[str]) -> int:
    return max((i for i, line in enumerate(part) if bare(line)), default=-1)


def _number_below(part: list[str]) -> int | None:
    """Return the number on the last line that is not blank."""
    last = _last_filled(part)
    found = _NUMBER.fullmatch(bare(part[last])) if last >= 0 else None
    return int(found[1]) if found else None


def with_lines(cue: Cue, lines: Iterable[str]) -> Cue:
    """Return the cue with what of these lines can be shown."""
    return replace(cue, lines=tuple(clean_lines(lines)))


def clean_lines(lines: Iterable[str]) -> list[str]:
    """Return lines as a subtitle file can hold them: no line ends within, no blank ones, no control
    characters.
    """
    parts = [_printable(part).strip() for line in lines for part in _LINE_ENDS.split(line)]
    # Nothing is seen of spaces, some of which have no width, and of marks of direction.
    return [
        part
        for part in parts
        if not all(char.isspace() or unicodedata.category(char) == "Cf" for char in part)
    ]


def _printable(text: str) -> str:
    """Without control characters (a tab is a space) and with halves of surrogate pairs marked as
    broken.
    """
    if text.isprintable():
        return text
    kept = (
        " " if char == "\t" else char
        for char in text
        if char == "\t" or unicodedata.category(char) != "Cc"
    )
    return "".join("\ufffd" if unicodedata.category(char) == "Cs" else char for char in kept)
