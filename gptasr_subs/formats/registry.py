"""Subtitle formats by name: the built-in ones and those of other packages."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Protocol, runtime_checkable

from gptasr_subs.errors import FormatError
from gptasr_subs.formats.document import Document
from gptasr_subs.formats.reading import Reading
from gptasr_subs.plugins import load_plugins
from gptasr_subs.types import Cue

# How files of the same formats also end
OTHER_NAMES = {
    "ssa": "ass",
    "dfxp": "ttml",
    "imsc": "ttml",
    "itt": "ttml",
    "tt": "ttml",
    "xml": "ttml",
    "subrip": "srt",
    "webvtt": "vtt",
}


@runtime_checkable
class Format(Protocol):
    """One way to write subtitles.

    A plugin's entry point names a class like this, made without arguments.
    """

    @property
    def name(self) -> str:
        """What a person calls it."""

    @property
    def extension(self) -> str:
        """How its files end, without the dot, in lower case."""

    def write(self, document: Document) -> str:
        """The text of the file, with LF line ends."""


@runtime_checkable
class ReadableFormat(Format, Protocol):
    """A format whose files can be read back."""

    def read(self, text: str) -> list[Cue]:
        """The cues in a file's text (LF line ends, no byte order mark). Raises FormatError."""


@runtime_checkable
class RemarkingFormat(ReadableFormat, Protocol):
    """A readable format that says what of a file it had to leave out or assume."""

    def parse(self, text: str) -> Reading:
        """The cues and the remarks on them. Raises FormatError."""


@cache
def find_formats() -> dict[str, Format]:
    """Every format by name, the built-in ones first.

    A plugin that does not work is named in a warning and left out.
    """
    return {found.name: found for found in load_plugins("formats", make_format).values()}


def make_format(plugin: Callable[[], object]) -> Format:
    """The format that a plugin's class is. Raises TypeError where it is none."""
    found = plugin()
    if not isinstance(found, Format):
        raise TypeError("it lacks a name, an extension or write()")
    return found


def get_format(name: str) -> Format:
    """The format called so, or whose files end so, with or without the dot.

    Raises FormatError listing all.
    """
    wanted = name.lower().lstrip(".")
    wanted = OTHER_NAMES.get(wanted, wanted)
    formats = find_formats()
    for found in formats.values():
        if wanted in (found.name, found.extension):
            return found
    raise FormatError(
        f"There is no subtitle format {wanted!r}; choose one of {', '.join(sorted(formats))}."
    )
