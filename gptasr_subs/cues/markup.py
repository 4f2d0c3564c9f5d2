"""What the text of a cue may carry beside words: italics, bold, underline, colour, a speaker's
name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

# As SubRip writes it, whatever format it was read from; a speaker is named as in WebVTT: <v
# Mary>Hello.</v>
_MARKUP = r"/?[bius]>|/?font(?: [^<>]*)?>|v [^<>]+>|/v>"
_TAG = re.compile(f"<(?:{_MARKUP})", re.IGNORECASE)
# A text may speak of tags. Behind the "<" of such a one stands an invisible sign, in cues as in
# the files of formats that have no other way to say it.
JOINER = "\u2060"
_LITERAL = re.compile(f"<{JOINER}(?={_MARKUP})", re.IGNORECASE)


def literal(text: str) -> str:
    """Return text that is no markup, whatever it looks like, as a line of a cue carries it."""
    return _TAG.sub(lambda tag: f"<{JOINER}{tag[0][1:]}", text)


def plain(text: str) -> str:
    """Return the text that a viewer reads."""
    return _LITERAL.sub("<", _TAG.sub("", text))


def convert(text: str, tag: Callable[[str], str], words: Callable[[str], str] = literal) -> str:
    """Return the text with each tag, and the plain text between tags, replaced."""
    parts = []
    end = 0
    for match in _TAG.finditer(text):
        parts += [words(_LITERAL.sub("<", text[end : match.start()])), tag(match[0])]
        end = match.end()
    return "".join([*parts, words(_LITERAL.sub("<", text[end:]))])


def iter_chars(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each character that is read, with the tags that are open at it."""
    opened: list[str] = []
    end = 0
    for match in _TAG.finditer(text):
        yield from ((char, tuple(opened)) for char in text[end : match.start()])
        opened = _after(opened, match[0])
        end = match.end()
    yield from ((char, tuple(opened)) for char in text[end:])


def wrap_tags(text: str, tags: tuple[str, ...]) -> str:
    """Return the text within these tags."""
    return "".join(tags) + text + _closing(tags)


def strip_tags(text: str, *names: str) -> str:
    """Return the text without the tags of these names."""
    return convert(text, lambda tag: "" if name_of(tag) in names else tag)


def name_of(tag: str) -> str:
    """``i`` of ``</i>``, ``font`` of ``<font color="red">``."""
    return tag.strip("</>").split(" ", 1)[0].lower()


def balance_tags(lines: Iterable[str]) -> list[str]:
    """Return lines each of which closes the tags it opens: markup that reaches across lines is
    repeated on each.
    """
    opened: list[str] = []
    result = []
    for line in lines:
        before = "".join(opened)
        for tag in _TAG.findall(line):
            opened = _after(opened, tag)
        result.append(before + line + _closing(opened))
    return result


def _closing(tags: Sequence[str]) -> str:
    return "".join(f"</{name_of(tag)}>" for tag in reversed(tags))


def _after(opened: list[str], tag: str) -> list[str]:
    """Return the tags that are open after one more."""
    if not tag.startswith("</"):
        return [*opened, tag]
    names = [name_of(other) for other in opened]
    if name_of(tag) not in names:
        return opened
    last = len(names) - 1 - names[::-1].index(name_of(tag))
    return opened[:last] + opened[last + 1 :]
