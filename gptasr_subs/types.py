"""The values that travel through the pipeline.

All times are float seconds from the start of the video.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # numpy takes longer to import than --help may take in all
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
else:
    FloatArray = Any


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, ``start`` to ``end`` in seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Length of the span."""
        return self.end - self.start

    def overlap(self, other: Span | Word | Cue) -> float:
        """Return the seconds that another has in common with it."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


@dataclass(frozen=True, slots=True)
class Word:
    """One written word (with its case and punctuation), when it is heard, and how sure the
    recogniser is.

    ``start`` and ``end`` are seconds; ``confidence`` lies between 0 and 1. ``readings`` are what
    else it may be, the likeliest first, where that was asked for.
    """

    text: str
    start: float
    end: float
    confidence: float = 1.0
    readings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: lines of text shown from ``start`` to ``end`` seconds.

    Lines may carry the markup of ``cues.markup``. ``position`` is the place on the screen as keys
    lie on a number pad: 2 is at the bottom in the middle, 8 at the top.
    """

    start: float
    end: float
    lines: tuple[str, ...]
    position: int = 2

    @property
    def text(self) -> str:
        """The lines joined by newlines, as subtitle files hold them."""
        return "\n".join(self.lines)
