"""WebVTT (.vtt): the format of web players."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from gptasr_subs.cues.markup import convert, name_of
from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import (
    Block,
    clean_lines,
    format_time,
    milliseconds,
    scan_blocks,
    with_lines,
)
from gptasr_subs.formats.document import Document, Style
from gptasr_subs.formats.overrides import hide_codes, read_codes
from gptasr_subs.formats.reading import Reading, close_open, left_out
from gptasr_subs.formats.spoken import Lines, spoken_lines
from gptasr_subs.formats.tags import read_tags
from gptasr_subs.types import Cue, Word

_NO_TEXT = re.compile(r"(?:\ufeff?WEBVTT|NOTE|STYLE|REGION|X-TIMESTAMP-MAP)\b")
_LINE = re.compile(r"\bline:(-?\d+)(?:\.\d+)?(%?)")
_USUAL = "align:start position:0%"  # what YouTube writes of every cue

_SIDES = {0: "position:0% align:start", 1: "", 2: "position:100% align:end"}
_HEIGHTS = {0: "", 1: "line:50%", 2: "line:0"}


class Vtt:
    """Escapes what the format reserves.

    Reading keeps text, markup and position, and drops styles and notes.
    """

    name = "vtt"
    extension = "vtt"

    def write(self, document: Document) -> str:
        """The header and all cues, without identifiers."""
        spoken = spoken_lines(document)
        blocks = [_block(cue, words, document.style) for cue, words in zip(document.cues, spoken, strict=True)]
        return "\n".join(["WEBVTT\n", *blocks])

    def read(self, text: str) -> list[Cue]:
        """The cues of ``parse``."""
        return self.parse(text).cues

    def parse(self, text: str) -> Reading:
        """All cues of a WebVTT file, or of an SRT file that is called so. Raises FormatError."""
        scan = scan_blocks(text)
        if not scan.blocks and text.strip() and not text.lstrip().startswith("WEBVTT"):
            raise FormatError("This is not a WebVTT file: it does not begin with WEBVTT and has no timed lines.")
        read = close_open([_cue(block) for block in scan.blocks])
        lost = [*_stray([["WEBVTT"], *_paragraphs(scan.head)], has_cue_below=bool(scan.blocks))]
        for block in scan.blocks:
            below = block is not scan.blocks[-1]
            lost += _stray(_paragraphs(block.lines), has_cue_below=below)
        return replace(read, remarks=(*read.remarks, *left_out([*lost, *scan.untimed])))


def _cue(block: Block) -> Cue:
    """An empty line ends a cue's text; the cue's place is in its settings, or in a code."""
    text = (_paragraphs(block.lines) or [[]])[0] if block.lines and block.lines[0] else []
    lines, place = read_codes(read_tags("\n".join(text), escaped=True).split("\n"))
    return with_lines(block.cue([], place or _position(block.timing.settings)), lines)


def _paragraphs(lines: Sequence[str]) -> list[list[str]]:
    """Lines in groups between which empty ones stand."""
    return [list(group) for filled, group in groupby(lines, key=bool) if filled]


def _stray(paragraphs: Sequence[list[str]], has_cue_below: bool) -> Iterator[str]:
    """Lines below a cue's text that are neither a note nor the identifier of the next cue."""
    for index, lines in enumerate(paragraphs[1:], start=1):
        is_identifier = has_cue_below and index == len(paragraphs) - 1 and len(lines) == 1
        if not (is_identifier or _NO_TEXT.match(lines[0].strip())):
            yield from lines


def _block(cue: Cue, spoken: Lines | None, style: Style) -> str:
    times = f"{format_time(cue.start, '.')} --> {format_time(cue.end, '.')}"
    if spoken is None:
        lines = [convert(line, _tag, _escape) for line in clean_lines(cue.lines)]
    else:
        lines = [" ".join(_spoken(word, cue, style) for word in line) for line in spoken]
    return "\n".join([" ".join([times, *_settings(cue.position)]), *lines, ""])


def _escape(line: str) -> str:
    """With this no text can be a tag or an entity, and no arrow can be a timing line."""
    return hide_codes(line).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _tag(tag: str) -> str:
    """The tag as WebVTT has it; colours of letters are left to the player."""
    if name_of(tag) in ("font", "s"):
        return ""
    return tag.lower() if name_of(tag) != "v" else tag.replace("&", "&amp;")


def _spoken(word: Word, cue: Cue, style: Style) -> str:
    """With its time, if it lies within the cue's, as the format demands."""
    text = _escape(word.text)
    if word.confidence < style.mark_confidence_below:
        text = f"<c.yellow>{text}</c>"
    within = milliseconds(cue.start) < milliseconds(word.start) < milliseconds(cue.end)
    return f"<{format_time(word.start, '.')}>{text}" if style.word_times and within else text


def _settings(position: int) -> list[str]:
    row, column = divmod(position - 1, 3)
    return [setting for setting in (_HEIGHTS[row], _SIDES[column]) if setting]


def _position(settings: str) -> int:
    """As on a number pad, from ``line`` and ``align``."""
    found = _LINE.search(settings)
    row = 0
    if found:
        place = int(found[1])
        share = bool(found[2])
        row = 2 if 0 <= place < (34 if share else 8) else 1 if share and place < 67 else 0
    if _USUAL in settings or "position:" not in settings:
        return 2 + 3 * row
    column = 1 + bool(re.search(r"align:(?:end|right)", settings)) - bool(re.search(r"align:(?:start|left)", settings))
    return 1 + column + 3 * row
