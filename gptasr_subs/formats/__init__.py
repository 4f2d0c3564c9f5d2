"""Cues to text and back: one module a format, found by name or by the end of a file's name.

In reading order, before the formats themselves::

document     what there is to write about one video
reading      what a reader makes of a file, and what it has to say about it
registry     the formats by name
times        lines of two times, as SubRip and WebVTT have them
blocks       the text under such lines
tags         tags of HTML in the text
overrides    override codes of ASS in the text
spoken       which words a cue's lines are made of
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path

from gptasr_subs.errors import FormatError
from gptasr_subs.formats.document import Document, Style
from gptasr_subs.formats.reading import Reading
from gptasr_subs.formats.registry import (
    Format,
    ReadableFormat,
    RemarkingFormat,
    find_formats,
    get_format,
)
from gptasr_subs.storage.files import read_decoded, write_atomically
from gptasr_subs.types import Cue, Word

__all__ = [
    "Document",
    "Format",
    "ReadableFormat",
    "Reading",
    "Style",
    "find_formats",
    "get_format",
    "is_readable",
    "read",
    "read_with_remarks",
    "render",
    "write",
]

_log = logging.getLogger(__name__)

_BEGINNINGS = {
    "vtt": re.compile(r"WEBVTT(?:\s|$)"),
    "ass": re.compile(r"\[Script Info\]", re.IGNORECASE),
    "ttml": re.compile(r"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:\w+:)?tt[\s>]"),
}


def write(
    path: str | os.PathLike[str],
    cues: Iterable[Cue],
    words: Iterable[Word] = (),
    *,
    source: str = "",
    seconds: float | None = None,
    language: str = "en",
    model: str = "",
    format: str | None = None,
) -> None:
    """Write cues in the format that the path's extension names, or in ``format``.

    The file is whole or not there. ``words`` and the facts of the video (its name, length in
    seconds, language, the model's name) go into the formats that have a place for them. Raises
    FormatError for an unknown format, OutputError when the file cannot be written.
    """
    document = Document(
        tuple(cues),
        words=tuple(words),
        source=source,
        seconds=seconds,
        language=language,
        model=model,
    )
    write_atomically(path, render(document, format or _extension(path)))


def render(document: Document, format: str) -> str:
    """Return the text of a file in the format of that name. Raises FormatError."""
    return get_format(format).write(document)


def read(path: str | os.PathLike[str]) -> list[Cue]:
    """Return the cues of a subtitle file of any encoding, forgiving what other tools get wrong.

    What had to be left out or assumed is said in warnings. Raises FormatError, also where a file
    holds text of which none has a time.
    """
    reading = read_with_remarks(path)
    for remark in reading.remarks:
        _log.warning("%r: %s", os.fspath(path), remark)
    return reading.cues


def read_with_remarks(path: str | os.PathLike[str]) -> Reading:
    """Read as ``read`` does, and return what was left out or assumed instead of warning of it."""
    found = get_format(_extension(path))
    if not isinstance(found, ReadableFormat):
        formats = find_formats().items()
        names = sorted(name for name, other in formats if isinstance(other, ReadableFormat))
        raise FormatError(
            f"A {found.name} file holds no times to read; give one of {', '.join(names)}."
        )
    decoded = read_decoded(path)
    text = decoded.text
    # Many are called by the name of another format; the first line says what they are.
    first = text.lstrip("\ufeff \n")[:200]
    name = next((name for name, begin in _BEGINNINGS.items() if begin.match(first)), "")
    named = find_formats().get(name)
    if isinstance(named, ReadableFormat):
        found = named
    assumed = (decoded.assumed,) if decoded.assumed else ()
    try:
        if isinstance(found, RemarkingFormat):
            reading = found.parse(text)
        else:
            reading = Reading(found.read(text))
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)!r}: {error}") from error
    if reading.remarks and not reading.cues:
        raise FormatError(f"{os.fspath(path)!r}: {reading.remarks[0]}")
    return Reading(reading.cues, (*assumed, *reading.remarks))


def is_readable(path: str | os.PathLike[str]) -> bool:
    """Return whether a file of this name is a subtitle that can be read."""
    try:
        return isinstance(get_format(_extension(path)), ReadableFormat)
    except FormatError:
        return False


def _extension(path: str | os.PathLike[str]) -> str:
    return Path(path).suffix
