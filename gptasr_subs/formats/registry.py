"""Finds subtitle formats: the built-in ones and those of other packages come in by the same entry points."""

from __future__ import annotations

import logging
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, runtime_checkable

from gptasr_subs.errors import FormatError
from gptasr_subs.formats.document import Document
from gptasr_subs.types import Cue

GROUP = "gptasr_subs.formats"
_log = logging.getLogger(__name__)

# As in pyproject.toml, for a source tree whose metadata is not installed.
BUILT_IN = {
    "srt": "gptasr_subs.formats.srt:Srt",
    "vtt": "gptasr_subs.formats.vtt:Vtt",
    "txt": "gptasr_subs.formats.txt:Txt",
    "json": "gptasr_subs.formats.json:Json",
}


@runtime_checkable
class Format(Protocol):
    """One way to write subtitles. A plugin's entry point names a class like this, made without arguments."""

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


@cache
def find_formats() -> dict[str, Format]:
    """Every format by name, the built-in ones first. A plugin that does not work is named in a warning and left out."""
    candidates = [EntryPoint(name, value, GROUP) for name, value in BUILT_IN.items()]
    candidates += [entry for entry in entry_points(group=GROUP) if BUILT_IN.get(entry.name) != entry.value]
    formats = {}
    for entry in candidates:
        if (found := _load(entry)) is not None:
            formats[found.name] = found
    return formats


def _load(entry: EntryPoint) -> Format | None:
    try:
        found = entry.load()()
        if not isinstance(found, Format):
            raise TypeError("it lacks a name, an extension or write()")
        return found
    except Exception as error:  # whatever a stranger's code does, the other formats go on
        _log.warning("The subtitle format %r (%s) is left out: %s", entry.name, entry.value, error)
        return None


def get_format(name: str) -> Format:
    """The format called so, or whose files end so, with or without the dot. Raises FormatError listing all."""
    wanted, formats = name.lower().lstrip("."), find_formats()
    for found in formats.values():
        if wanted in (found.name, found.extension):
            return found
    raise FormatError(f"There is no subtitle format {wanted!r}; choose one of {', '.join(sorted(formats))}.")
