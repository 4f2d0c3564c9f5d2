"""Cues to text and back: one module a format, found by name or by the end of a file's name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from gptasr_subs.errors import FormatError
from gptasr_subs.formats.document import Document, Style
from gptasr_subs.formats.registry import Format, ReadableFormat, find_formats, get_format
from gptasr_subs.storage.files import read_text, write_atomically
from gptasr_subs.types import Cue, Word

__all__ = ["Document", "Format", "ReadableFormat", "Style", "find_formats", "get_format", "read", "render", "write"]


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
    document = Document(tuple(cues), words=tuple(words), source=source, seconds=seconds, language=language, model=model)
    write_atomically(path, render(document, format or _extension(path)))


def render(document: Document, format: str) -> str:
    """The text of a file in the format of that name. Raises FormatError."""
    return get_format(format).write(document)


def read(path: str | os.PathLike[str]) -> list[Cue]:
    """The cues of a subtitle file of any encoding, forgiving what other tools get wrong.

    Raises FormatError.
    """
    found = get_format(_extension(path))
    if not isinstance(found, ReadableFormat):
        readable = sorted(name for name, other in find_formats().items() if isinstance(other, ReadableFormat))
        raise FormatError(f"A {found.name} file holds no times to read; give one of {', '.join(readable)}.")
    try:
        return found.read(read_text(path))
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)!r}: {error}") from error


def _extension(path: str | os.PathLike[str]) -> str:
    return Path(path).suffix
