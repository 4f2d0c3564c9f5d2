"""Words as lines to read while a film is still being recognised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gptasr_subs.types import Word

_PAUSE = 0.8  # seconds of silence at which a line ends
_LONGEST = 84  # characters, two lines of a subtitle
_ENDS = (".", "?", "!")


def spoken_lines(words: Sequence[Word]) -> Iterator[dict[str, Any]]:
    """Yield the words in lines that end with sentences and at pauses; times are seconds."""
    line: list[Word] = []
    for word in words:
        length = sum(len(other.text) + 1 for other in line)
        if line and (
            word.start - line[-1].end > _PAUSE
            or line[-1].text.endswith(_ENDS)
            or length + len(word.text) > _LONGEST
        ):
            yield _facts(line)
            line = []
        line.append(word)
    if line:
        yield _facts(line)


def _facts(line: Sequence[Word]) -> dict[str, Any]:
    text = " ".join(word.text for word in line)
    return {"start": round(line[0].start, 3), "end": round(line[-1].end, 3), "text": text}
