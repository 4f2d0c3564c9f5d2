"""The offset and the speed of an existing subtitle against its video.

Subtitles made for another frame rate run 0.1 or 4 % too fast or slow; others begin late because of
a logo.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gptasr_subs.types import Cue

_FPS = {"23.976": 24000 / 1001, "24": 24.0, "25": 25.0}  # 29.97 and 30 differ as 23.976 and 24 do
SPEEDS = {f"{a}/{b}": _FPS[a] / _FPS[b] for a in _FPS for b in _FPS if a != b}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shift:
    """Video time is ``ratio`` times the subtitle's time, plus ``offset`` seconds.

    ``confidence`` (0 to 1) is the share of what was compared that it explains.
    """

    ratio: float = 1.0
    offset: float = 0.0
    confidence: float = 0.0

    def media_time(self, seconds: float) -> float:
        """Return when in the video something is that the subtitle puts at ``seconds``."""
        return max(0.0, self.ratio * seconds + self.offset)

    def moved(self, cue: Cue) -> Cue:
        """Return the cue at its time in the video."""
        return replace(cue, start=self.media_time(cue.start), end=self.media_time(cue.end))

    def unbounded(self, cue: Cue) -> Cue:
        """Return the cue at its time, be it before the video begins."""
        return replace(
            cue, start=self.ratio * cue.start + self.offset, end=self.ratio * cue.end + self.offset
        )

    def __str__(self) -> str:
        """What was wrong, in words: ``runs slow by 25/23.976 and begins 3.20 s late``."""
        names = [name for name, speed in SPEEDS.items() if abs(speed * self.ratio - 1) < 1e-4]
        change = names[0] if names else f"{100 * abs(1 / self.ratio - 1):.2f} %"
        late = -self.offset / self.ratio
        wrong = []
        if abs(self.ratio - 1) > 1e-5:
            wrong.append(f"runs {'slow' if self.ratio < 1 else 'fast'} by {change}")
        if abs(late) >= 0.005:
            wrong.append(f"begins {abs(late):.2f} s {'late' if late > 0 else 'early'}")
        return " and ".join(wrong) or "is neither early nor late"
