"""Advanced SubStation Alpha (.ass): styled subtitles of libass, mpv, VLC and Aegisub."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gptasr_subs.cues.markup import JOINER, convert, literal, name_of, plain
from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import clean_lines
from gptasr_subs.formats.document import Document, Style
from gptasr_subs.formats.overrides import LEGACY_PLACES, balanced, markup_of, place_of
from gptasr_subs.formats.reading import Parsed, Reading, left_out
from gptasr_subs.formats.spoken import Lines, spoken_lines
from gptasr_subs.types import Cue

_HEAD = """\
[Script Info]
ScriptType: v4.00+
PlayResX: 1920
PlayResY: {height}
WrapStyle: 2
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,{size},&H00FFFFFF,&H00A0A0A0,&H00000000,&H80000000,\
0,0,0,0,100,100,0,0,1,3,1,2,96,96,54,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_HEIGHT = 1080
_UNSURE = r"{\c&H00FFFF&}"  # yellow: the bytes are blue, green, red
_SURE = r"{\c}"
_ESCAPES = {"{": r"\{", "}": r"\}", "\\": "\\" + JOINER}

_OVERRIDE = re.compile(r"(?<!\\)\{([^{}]*)\}")
_DRAWING = re.compile(r"\\p[1-9]")
_CLOCK = re.compile(r"\s*([-−]?)(?:(\d{1,6})\s?:)?\s*(\d{1,6})\s?:\s*(\d{1,6}(?:[.,:]\d{1,9})?)\s*")
_TIMES = re.compile(r"\d:\d\d:\d\d[.,]\d+\s*,")
_EVENTS = frozenset({"dialogue", "comment", "picture", "sound", "movie", "command"})
# What the fields of a line are where no Format line says so
_FIELDS = ["layer", "start", "end", "style", "name", "marginl", "marginr", "marginv"]
_FIELDS += ["effect", "text"]


class Ass(Parsed):
    """Times are hundredths of a second.

    Reading keeps text, position, italics, bold and underline of the dialogue.
    """

    name = "ass"
    extension = "ass"

    def write(self, document: Document) -> str:
        """One style, all cues as dialogue.

        Words are karaoke syllables if the document's style has word times.
        """
        style = document.style
        parts = [_HEAD.format(height=_HEIGHT, size=round(_HEIGHT * style.text_height))]
        for cue, spoken in zip(document.cues, spoken_lines(document), strict=True):
            if spoken is None:
                lines = [convert(line, _tag, _escape) for line in clean_lines(cue.lines)]
            else:
                lines = _timed_lines(cue, spoken, style)
            times = f"{_clock(cue.start)},{_clock(cue.end)}"
            place = rf"{{\an{cue.position}}}" if cue.position != 2 else ""
            text = place + r"\N".join(lines)
            parts.append(f"Dialogue: 0,{times},Default,,0,0,0,,{text}\n")
        return "".join(parts)

    def parse(self, text: str) -> Reading:
        """Return all cues in the order of their times. Raises FormatError."""
        rows = list(_rows(text))
        if not any(section == "events" for section, _, _ in rows) and text.strip():
            raise FormatError("This is not an ASS file: it has no [Events].")
        styles = {row.get("name", "").lstrip("*"): row for _, kind, row in rows if kind == "style"}
        dialogue = [row for section, kind, row in rows if (section, kind) == ("events", "dialogue")]
        cues = [_cue(row, styles.get(row.get("style", "").lstrip("*"), {})) for row in dialogue]
        untimed = [_shown(row) for row, cue in zip(dialogue, cues, strict=True) if not cue]
        # Lines that may have been dialogue before they were damaged
        strays = [row for section, kind, row in rows if (section, kind) == ("events", "unknown")]
        untimed += map(_shown, strays)
        shown = [
            cue
            for row, cue in zip(dialogue, cues, strict=True)
            if cue and (cue.lines or not _DRAWING.search(row.get("text", "")))
        ]
        ordered = sorted(shown, key=lambda cue: cue.start)
        return Reading(ordered, tuple(left_out(untimed)))


def _escape(text: str) -> str:
    return "".join(_ESCAPES.get(char, char) for char in text)


def _tag(tag: str) -> str:
    name = name_of(tag)
    return rf"{{\{name}{int(not tag.startswith('</'))}}}" if name in ("b", "i", "u", "s") else ""


def _timed_lines(cue: Cue, lines: Lines, style: Style) -> list[str]:
    """Return each word with the hundredths until the next one begins, coloured where it is not
    sure.
    """
    words = [word for line in lines for word in line]
    begins = [_hundredths(word.start) for word in words[1:]] + [_hundredths(cue.end)]
    timed = []
    now = _hundredths(cue.start)
    for word, end in zip(words, begins, strict=True):
        text = _escape(word.text)
        if word.confidence < style.mark_confidence_below:
            text = f"{_UNSURE}{text}{_SURE}"
        timed.append(rf"{{\kf{max(0, end - now)}}}{text}" if style.word_times else text)
        now = max(now, end)
    parts = iter(timed)
    return [" ".join(next(parts) for _ in line) for line in lines]


def _hundredths(seconds: float) -> int:
    return max(0, round(seconds * 100))


def _clock(seconds: float) -> str:
    whole, hundredths = divmod(_hundredths(seconds), 100)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}.{hundredths:02d}"


def _rows(text: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Section, kind and fields of each line that a Format line above it explains.

    Names in lower case.
    """
    section = ""
    names = [""]
    for line in text.split("\n"):
        kind, colon, rest = line.strip().partition(":")
        if line.startswith("["):
            section = line.strip().strip("[]").lower()
            names = _FIELDS if section == "events" else [""]
            yield section, "section", {}
        elif kind.lower() == "format" and not _TIMES.search(line):
            names = [name.strip().lower() for name in rest.split(",")]
        elif section == "events" and (not colon or kind.lower() not in _EVENTS):
            is_note = line.startswith((";", "!")) and not _TIMES.search(line)
            yield section, "unknown", {"text": "" if is_note else line}
        elif colon:
            fields = rest.lstrip().split(",", len(names) - 1)
            row = dict(zip(names, fields, strict=False))
            yield section, kind.lower(), {"text": fields[-1], **row}  # a comma may be missing


def _cue(row: dict[str, str], style: dict[str, str]) -> Cue | None:
    """Return what a line of dialogue shows; None for lines without times."""
    start = _seconds(row.get("start", ""))
    end = _seconds(row.get("end", ""))
    if start is None or end is None:
        return None
    codes = [code for code in _OVERRIDE.findall(row.get("text", "")) if "\\" in code]
    lines = clean_lines(_lines(row))
    if style.get("italic", "0").strip() not in ("0", ""):
        lines = [f"<i>{line}</i>" for line in lines if line]
    number = style.get("alignment", "2").strip()
    place = int(number) if number.isdecimal() and len(number) < 3 else 2
    if "alphalevel" in style:  # SubStation 4
        place = LEGACY_PLACES.get(place, 2)
    elif not 1 <= place <= 9:
        place = 2
    return Cue(start, end, tuple(lines), place_of(codes) or place)


def _lines(row: dict[str, str]) -> list[str]:
    """Return the text with markup for its codes; a drawing has none."""
    text = row.get("text", "")
    if _DRAWING.search("".join(_OVERRIDE.findall(text))):
        # What stands between the codes that begin and end a drawing is no text.
        drawing = False
        kept = []
        for part in re.split(r"(\{[^}]*\})", text):
            is_code = part.startswith("{")
            if is_code and (switches := re.findall(r"\\p(\d+)", part)):
                drawing = switches[-1] != "0"
            if is_code or not drawing:
                kept.append(part)
        text = "".join(kept)
    parts = []
    end = 0
    for code in _OVERRIDE.finditer(text):
        parts += [_words(text[end : code.start()]), markup_of(code[1])]
        end = code.end()
    return balanced("".join([*parts, _words(text[end:])]).split("\n"))


def _words(text: str) -> str:
    """Return text between codes with its line ends and spaces."""
    text = text.replace(r"\N", "\n").replace(r"\n", "\n").replace(r"\h", "\N{NO-BREAK SPACE}")
    return literal(text.replace(r"\{", "{").replace(r"\}", "}").replace("\\" + JOINER, "\\"))


def _shown(row: dict[str, str]) -> str:
    return plain(" ".join(_lines(row)))


def _seconds(clock: str) -> float | None:
    """Return a time, that of the video's start for one before it."""
    found = _CLOCK.fullmatch(clock)
    if not found:
        return None
    seconds = float(re.sub("[,:]", ".", found[4]))
    whole = int(found[2] or 0) * 3600 + int(found[3]) * 60
    return 0.0 if found[1] else whole + seconds
