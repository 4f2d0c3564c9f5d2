"""Subtitles of a video that is still being recognised: files that grow, whole at any moment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gptasr_subs.errors import OutputError
from gptasr_subs.formats import Document, render
from gptasr_subs.storage.files import write_atomically

Preview = Callable[[Document], None]  # takes what is known so far


@contextmanager
def previews(targets: Mapping[str, Path], also: Preview | None) -> Iterator[Preview]:
    """Gives the function that writes a document to ``targets``, a file for each format, and passes
    it on to ``also``.

    If the block ends with an error, what stood there before stands there again: a part of a video's
    subtitles would be taken for the whole. Raises OutputError.
    """
    before: dict[Path, bytes | None] = {}
    for target in targets.values():
        before[target] = None
        with contextlib.suppress(OSError):
            if target.is_file():
                before[target] = target.read_bytes()

    def preview(document: Document) -> None:
        for name, target in targets.items():
            write_atomically(target, render(document, name))
        if also:
            also(document)

    try:
        yield preview
    except BaseException:
        for target, content in before.items():
            with contextlib.suppress(OSError, OutputError):
                if content is None:
                    target.unlink(missing_ok=True)
                else:
                    write_atomically(target, content)
        raise
