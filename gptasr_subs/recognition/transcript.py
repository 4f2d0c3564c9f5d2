"""What is recognised in a video: windows with their words in media time, snapped to speech."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gptasr_subs.speech.snapping import snap_words
from gptasr_subs.types import Span, Word


class WordsWithSounds(list[Word]):
    """The words of a window, and what tells whether another glossary would change them.

    ``sounds`` are those of the CTC head, packed as by ``model.decoding.spotting``; ``plain`` are
    the words before the terms in them are written as the glossary writes them.
    """

    def __init__(self, words: Iterable[Word], plain: Sequence[Word], sounds: bytes) -> None:
        """``words`` are as the recogniser gives them."""
        super().__init__(words)
        self.plain = list(plain)
        self.sounds = sounds


@dataclass(frozen=True, slots=True)
class RecognizedWindow:
    """One window with its words, in media time, and the spans of speech in it."""

    span: Span
    speech: tuple[Span, ...]
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """All windows of a video of ``seconds``, and the name of the model that recognised them."""

    model: str
    seconds: float
    windows: tuple[RecognizedWindow, ...]

    @property
    def words(self) -> list[Word]:
        """The words of all windows, in order."""
        return [word for window in self.windows for word in window.words]


def recognized_window(
    span: Span, speech: Iterable[Span], words: Iterable[Word]
) -> RecognizedWindow:
    """Return a window; ``words`` have their times from its start, inside it and snapped to
    speech.
    """
    speech = tuple(speech)
    shifted = []
    for word in words:
        start = min(span.start + word.start, span.end)
        end = min(span.start + word.end, span.end)
        shifted.append(replace(word, start=start, end=max(start, end)))
    return RecognizedWindow(span, speech, tuple(snap_words(shifted, speech)))
