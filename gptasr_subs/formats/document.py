"""What there is to write about one video."""

from __future__ import annotations

from dataclasses import dataclass

from gptasr_subs.types import Cue, Word


@dataclass(frozen=True, slots=True)
class Style:
    """How text looks, for the formats that can say it.

    ``word_times``: each word carries its time or lights up at it. Words less sure than
    ``mark_confidence_below`` are coloured. ``text_height``: of a line, as a share of the picture's
    height.
    """

    word_times: bool = False
    mark_confidence_below: float = 0.0
    text_height: float = 0.055


@dataclass(frozen=True)
class Document:
    """The cues of one video, the words they are made of where known, and the facts of the video."""

    cues: tuple[Cue, ...]
    words: tuple[Word, ...] = ()
    source: str = ""  # name of the media file
    seconds: float | None = None  # its length
    language: str = "en"
    model: str = ""  # what recognised the words
    style: Style = Style()
    fps: float | None = None  # frames a second by which times may be counted
