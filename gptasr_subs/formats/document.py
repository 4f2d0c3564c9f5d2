"""What there is to write about one film."""

from __future__ import annotations

from dataclasses import dataclass

from gptasr_subs.types import Cue, Word


@dataclass(frozen=True)
class Document:
    """The cues of one film, the words they are made of where known, and the facts of the film."""

    cues: tuple[Cue, ...]
    words: tuple[Word, ...] = ()
    source: str = ""  # name of the media file
    seconds: float | None = None  # its length
    language: str = "en"
    model: str = ""  # what recognised the words
