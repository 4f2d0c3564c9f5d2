"""What the text of a cue may carry beside words: italics, bold, underline, colour, a speaker's
name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

# As SubRip writes it, whatever format it was read from; a speaker is named as in WebVTT: <v
# Mary>Hello.</v>
_TAG = re.compile(r"</?[biu]>|</?font(?: [^<>]*)?>|<v [^<>]+>|</v>", re.IGNORECASE)


def plain(text: str) -> str:
    """The text that a viewer reads."""
    return _TAG.sub("", text)


def convert(text: str, tag: Callable[[str], str], words: Callable[[str], str] = str) -> str:
    """The text with each tag and what stands between tags replaced."""
    parts = []
    end = 0
    for match in _TAG.finditer(text):
        parts += [words(text[end : match.start()]), tag(match[0])]
        end = match.end()
    return "".join([*parts, words(text[end:])])


def iter_chars(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each character that is read, with the tags that are open at it."""
    opened: list[str] = []
    end = 0
    for match in _TAG.finditer(text):
        yield from ((char, tuple(opened)) for char in text[end : match.start()])
        opened = _after(opened, match[0])
        end = match.end()
    yield from ((char, tuple(opened)) for char in text[end:])


def wrap_tags(text: str, tags: tuple[str, ...]) -> str:
    """The text within these tags."""
    return "".join(tags) + text + _closing(tags)


def strip_tags(text: str, *names: str) -> str:
    """The text without the tags of these names."""
    return convert(text, lambda tag: "" if name_of(tag) in names else tag)


def name_of(tag: str) -> str:
    """``i`` of ``</i>``, ``font`` of ``<font color="red">``."""
    return tag.strip("</>").split(" ", 1)[0].lower()


def balance_tags(lines: Iterable[str]) -> list[str]:
    """Lines each of which closes the tags it opens: markup that reaches across lines is repeated on
    each.
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
    """The tags that are open after one more."""
    if not tag.startswith("</"):
        return [*opened, tag]
    names = [name_of(other) for other in opened]
    if name_of(tag) not in names:
        return opened
    last = len(names) - 1 - names[::-1].index(name_of(tag))
    return opened[:last] + opened[last + 1 :]
