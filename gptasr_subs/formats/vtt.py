"""WebVTT (.vtt): the format of web players."""

from __future__ import annotations

import html
import re
from itertools import takewhile

from gptasr_subs.cues.markup import convert, name_of
from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import clean_lines, format_time, milliseconds, scan_blocks
from gptasr_subs.formats.document import Document, Style
from gptasr_subs.formats.spoken import Lines, spoken_lines
from gptasr_subs.types import Cue, Word

# <i>, </c.loud>, <v Mary>, <00:01.500>; any other "<" is a mistake of its writer and stays.
_TAG = re.compile(r"(</?)(?:([a-zA-Z]+)[^<>\s]*(\s[^<>]*)?|[\d:.]+)?>")
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
        """All cues of a WebVTT file, or of an SRT file that is called so. Raises FormatError."""
        cues = []
        for block in scan_blocks(text):
            # An empty line ends the cue; an identifier or a note may follow
            lines = takewhile(bool, block.lines)
            cues.append(block.cue((html.unescape(_TAG.sub(_kept, line)) for line in lines), _position(block.settings)))
        if not cues and text.strip() and not text.lstrip().startswith("WEBVTT"):
            raise FormatError("This is not a WebVTT file: it does not begin with WEBVTT and has no timed lines.")
        return cues


def _block(cue: Cue, spoken: Lines | None, style: Style) -> str:
    times = f"{format_time(cue.start, '.')} --> {format_time(cue.end, '.')}"
    if spoken is None:
        lines = [convert(line, _tag, _escape) for line in clean_lines(cue.lines)]
    else:
        lines = [" ".join(_spoken(word, cue, style) for word in line) for line in spoken]
    return "\n".join([" ".join([times, *_settings(cue.position)]), *lines, ""])


def _escape(line: str) -> str:
    """With this no text can be a tag or an entity, and no arrow can be a timing line."""
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _tag(tag: str) -> str:
    """The tag as WebVTT has it; colours of letters are left to the player."""
    if name_of(tag) == "font":
        return ""
    return tag.lower() if name_of(tag) != "v" else tag.replace("&", "&amp;")


def _kept(tag: re.Match[str]) -> str:
    """A tag that the text of cues may carry, or nothing."""
    opening = tag[1]
    name = (tag[2] or "").lower()
    words = (tag[3] or "").strip()
    if name == "v" and opening == "<":
        return f"<v {words}>" if words else ""
    return f"{opening}{name}>" if name in ("b", "i", "u", "v") else ""


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
