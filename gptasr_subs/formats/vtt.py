"""WebVTT (.vtt): the format of web players."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from gptasr_subs.cues.markup import JOINER, convert, name_of
from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import Block, clean_lines, scan_blocks, with_lines
from gptasr_subs.formats.document import Document, Style
from gptasr_subs.formats.overrides import hide_codes, read_codes
from gptasr_subs.formats.reading import Parsed, Reading, close_open, left_out
from gptasr_subs.formats.spoken import spoken_lines
from gptasr_subs.formats.tags import read_tags
from gptasr_subs.formats.times import as_text, format_time, milliseconds, stray_words
from gptasr_subs.types import Cue, Word

_NO_TEXT = re.compile(r"(?:\ufeff?WEBVTT|NOTE|STYLE|REGION|X-TIMESTAMP-MAP)\b")
_LINE = re.compile(r"\bline:(-?\d+)(?:\.\d+)?(%?)")
_USUAL = "align:start position:0%"  # what YouTube writes of every cue

_SIDES = {0: "position:0% align:start", 1: "", 2: "position:100% align:end"}
_HEIGHTS = {0: "", 1: "line:50%", 2: "line:0"}


class Vtt(Parsed):
    """Escapes what the format reserves.

    Reading keeps text, markup and position, and drops styles and notes.
    """

    name = "vtt"
    extension = "vtt"

    def write(self, document: Document) -> str:
        """Return the header and all cues, without identifiers."""
        style = document.style
        blocks = []
        for cue, spoken in zip(document.cues, spoken_lines(document), strict=True):
            if spoken is None:
                lines = [as_text(convert(line, _tag, _escape)) for line in clean_lines(cue.lines)]
            else:
                lines = [" ".join(_spoken(word, cue, style) for word in line) for line in spoken]
            times = f"{format_time(cue.start, '.')} --> {format_time(cue.end, '.')}"
            row, column = divmod(cue.position - 1, 3)
            settings = [setting for setting in (_HEIGHTS[row], _SIDES[column]) if setting]
            blocks.append("\n".join([" ".join([times, *settings]), *lines, ""]))
        return "\n".join(["WEBVTT\n", *blocks])

    def parse(self, text: str) -> Reading:
        """Return all cues of a WebVTT file, or of an SRT file that is called so. Raises
        FormatError.
        """
        scan = scan_blocks(text)
        if not scan.blocks and text.strip() and not text.lstrip().startswith("WEBVTT"):
            raise FormatError(
                "This is not a WebVTT file: it does not begin with WEBVTT and has no timed lines."
            )
        read = close_open([_cue(block) for block in scan.blocks])
        lost = [*scan.untimed, *(stray_words(block.timing.settings) for block in scan.blocks)]
        # What may be the identifier of the next cue: a line alone, right above its times
        names = [
            lines[-1] if len(lines) > 1 and not lines[-2] else ""
            for lines in [scan.head, *(block.lines for block in scan.blocks)]
        ]
        named = sum(map(bool, names[:-1])) > max(1, len(scan.blocks) / 2)
        parts = [_paragraphs(scan.head), *(_split(block)[1] for block in scan.blocks)]
        for name, paragraphs in zip([*names[:-1], ""], parts, strict=True):
            # Where cues have no identifiers, a line of several words is none
            is_name = "<" not in name and (named or " " not in name.strip())
            lost += _stray(paragraphs, name if is_name else "")
        return replace(read, remarks=(*read.remarks, *left_out(lost)))


def _cue(block: Block) -> Cue:
    """Return a block's cue: an empty line ends its text, its place is in its settings or in a
    code.
    """
    text = "\n".join(line.removeprefix(JOINER) for line in _split(block)[0])
    lines, place = read_codes(read_tags(text, escaped=True).split("\n"))
    return with_lines(block.cue([], place or _position(block.timing.settings)), lines)


def _split(block: Block) -> tuple[list[str], list[list[str]]]:
    """Return a cue's text, also where an empty line stands above it, and the paragraphs below
    it.
    """
    paragraphs = _paragraphs(block.lines)
    if not paragraphs:
        return [], []
    first, *rest = paragraphs
    is_text = len(first) > 1 or bool(rest)
    if block.lines[0] or (is_text and not _NO_TEXT.match(first[0])):
        return first, rest
    return [], paragraphs


def _paragraphs(lines: Sequence[str]) -> list[list[str]]:
    """Return lines in groups between which empty ones stand."""
    return [list(group) for filled, group in groupby(lines, key=bool) if filled]


def _stray(paragraphs: Sequence[list[str]], identifier: str) -> Iterator[str]:
    """Yield lines below a cue's text that are neither a note nor the identifier of the next cue."""
    for index, lines in enumerate(paragraphs):
        is_identifier = index == len(paragraphs) - 1 and lines == [identifier]
        if lines[0].startswith("WEBVTT"):
            yield from (line for line in lines[1:] if ":" not in line and "=" not in line)
        elif not (is_identifier or _NO_TEXT.match(lines[0].strip())):
            yield from lines


def _escape(line: str) -> str:
    """With this no text can be a tag or an entity, and no arrow can be a timing line."""
    return hide_codes(line).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _tag(tag: str) -> str:
    """Return the tag as WebVTT has it; colours of letters are left to the player."""
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


def _position(settings: str) -> int:
    """As on a number pad, from ``line`` and ``align``."""
    found = _LINE.search(settings)
    row = 0
    if found:
        place = int(found[1])
        is_percent = bool(found[2])
        if 0 <= place < (34 if is_percent else 8):
            row = 2
        elif is_percent and place < 67:
            row = 1
    if _USUAL in settings or "position:" not in settings:
        return 2 + 3 * row
    column = 1
    if re.search(r"align:(?:end|right)", settings):
        column = 2
    elif re.search(r"align:(?:start|left)", settings):
        column = 0
    return 1 + column + 3 * row
