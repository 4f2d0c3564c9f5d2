r"""The override codes of ASS (``{\an8}``, ``{\i1}``), which other formats' files have too."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gptasr_subs.cues.markup import JOINER, name_of

# What is no text in a SubRip file: codes of ASS in braces, those of MicroDVD, a place whose
# backslash was lost
_CODES = re.compile(r"\{(?=\s*\\)[^{}]*\}|\{\s*an[1-9]\s*\}|\{[yYcCsSfFpPhH]:[^{}]*\}")
_SWITCH = re.compile(r"\\([bius])(\d+)")
_PLACE = re.compile(r"\\an([1-9])|\\a(\d+)|^\{\s*an([1-9])\s*\}$")
_MICRODVD = re.compile(r"\{([yY]):([^{}]*)\}")
_TAG = re.compile(r"</?[bius]>")
# A backslash in the path of a file is one
_BREAK = re.compile(r"(?<!\S)(?:\w:|\\)\\\S*|\\([Nh])")
_HIDDEN = re.compile(rf"([{{\\]){JOINER}")
# Where SubStation 4 (.ssa) puts text, as keys of a number pad.
LEGACY_PLACES = {1: 1, 2: 2, 3: 3, 5: 7, 6: 8, 7: 9, 9: 4, 10: 5, 11: 6}


def read_codes(lines: Iterable[str]) -> tuple[list[str], int | None]:
    """Return lines with codes as markup, or left out, and the place that they name."""
    text = "\n".join(lines)
    if "{" not in text and "\\" not in text:
        return text.split("\n"), None
    codes = _CODES.findall(text)
    if codes:
        text = _CODES.sub(lambda code: markup_of(code[0]), _microdvd(text))
        text = "\n".join(balanced(text.split("\n")))
    signs = {"N": "\n", "h": "\N{NO-BREAK SPACE}"}
    text = _BREAK.sub(lambda code: signs[code[1]] if code[1] else code[0], text)
    return _HIDDEN.sub(r"\1", text).split("\n"), place_of(codes)


def hide_codes(line: str) -> str:
    """Put an invisible sign into what would be taken for codes, so that it stays text."""
    line = _CODES.sub(lambda code: f"{{{JOINER}{code[0][1:]}", line)
    return _BREAK.sub(lambda code: f"\\{JOINER}{code[1]}" if code[1] else code[0], line)


def place_of(codes: Iterable[str]) -> int | None:
    """Return the place on the screen, as keys lie on a number pad, that the first of these codes
    names.
    """
    for code in codes:
        if found := _PLACE.search(code):
            legacy = LEGACY_PLACES.get(int(found[2]), 2) if found[2] else 2
            return int(found[1] or found[3] or legacy)
    return None


def markup_of(code: str) -> str:
    """Return the switches for italics, bold, underline and strike-out in a code as tags."""
    switches = _SWITCH.findall(code)
    return "".join(f"</{name}>" if value == "0" else f"<{name}>" for name, value in switches)


def balanced(lines: Iterable[str]) -> list[str]:
    """Return lines without tags that close nothing; those that close too few are closed."""
    opened: list[str] = []

    def kept(tag: re.Match[str]) -> str:
        name = name_of(tag[0])
        if not tag[0].startswith("</"):
            opened.append(name)
            return tag[0]
        if name not in opened:
            return ""
        opened.remove(name)
        return tag[0]

    result = [_TAG.sub(kept, line) for line in lines]
    if opened and result:
        result[-1] += "".join(f"</{name}>" for name in reversed(opened))
    return result


def _microdvd(text: str) -> str:
    """``{y:i}`` slants its line, ``{Y:i}`` the whole cue."""
    whole = "".join(letters for kind, letters in _MICRODVD.findall(text) if kind == "Y")
    lines = []
    for line in text.split("\n"):
        own = "".join(letters for kind, letters in _MICRODVD.findall(line) if kind == "y")
        names = [name for name in dict.fromkeys(own + whole) if name in "bius"]
        closing = "".join(f"</{name}>" for name in reversed(names))
        lines.append("".join(f"<{name}>" for name in names) + _MICRODVD.sub("", line) + closing)
    return "\n".join(lines)
