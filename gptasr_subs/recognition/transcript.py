"""What is recognised in a film: windows with their words in film time, snapped to speech."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gptasr_subs.speech.snapping import snap_words
from gptasr_subs.types import Span, Word


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard in one window: its words in film time, and where in it somebody speaks."""

    span: Span
    speech: tuple[Span, ...]
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """All that was heard in a film of ``seconds``, and the name of the model that heard it."""

    model: str
    seconds: float
    heard: tuple[Heard, ...]

    @property
    def words(self) -> list[Word]:
        """The words of all windows, in order."""
        return [word for heard in self.heard for word in heard.words]


def heard_in(span: Span, speech: Iterable[Span], words: Iterable[Word]) -> Heard:
    """What a window holds; ``words`` have their times from its start, and are kept inside it and snapped to speech."""
    speech = tuple(speech)
    return Heard(span, speech, tuple(snap_words([_shifted(word, span) for word in words], speech)))


def _shifted(word: Word, span: Span) -> Word:
    start = min(span.start + word.start, span.end)
    return replace(word, start=start, end=max(start, min(span.start + word.end, span.end)))
