"""The offset and the speed at which an existing subtitle runs beside its video, found and mended.

Subtitles made for another frame rate run 0.1 or 4 % too fast or slow; others begin late because of
a logo. When cues are shown is compared with when somebody speaks; words that were found in the
audio tell the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gptasr_subs.types import Cue, Span

_FPS = {"23.976": 24000 / 1001, "24": 24.0, "25": 25.0}  # 29.97 and 30 differ as 23.976 and 24 do
SPEEDS = {f"{a}/{b}": _FPS[a] / _FPS[b] for a in _FPS for b in _FPS if a != b}
_STEP = 0.05  # seconds between the moments that are compared
_NEAR = 0.3  # seconds within which a word is where the shift puts it
_GAIN = 0.1  # share of words by which a speed that nobody uses must be better than those in use
_FEWEST = 4  # words from which a shift may be told

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
        """When in the video something is that the subtitle puts at ``seconds``."""
        return max(0.0, self.ratio * seconds + self.offset)

    def moved(self, cue: Cue) -> Cue:
        """The cue at its time in the video."""
        return replace(cue, start=self.media_time(cue.start), end=self.media_time(cue.end))

    def __str__(self) -> str:
        """What was wrong, in words: ``runs slow by 25/23.976 and begins 3.20 s late``."""
        names = [name for name, speed in SPEEDS.items() if abs(speed * self.ratio - 1) < 1e-4]
        change = names[0] if names else f"{100 * abs(1 / self.ratio - 1):.2f} %"
        late = -self.offset / self.ratio
        speed = f"runs {'slow' if self.ratio < 1 else 'fast'} by {change}" if abs(self.ratio - 1) > 1e-5 else ""
        begins = f"begins {abs(late):.2f} s {'late' if late > 0 else 'early'}" if abs(late) >= 0.005 else ""
        return " and ".join(filter(None, [speed, begins])) or "is neither early nor late"


def compare_activity(cues: Sequence[Cue], speech: Sequence[Span]) -> Shift:
    """The shift under which cues are shown when somebody speaks, exact to 0.05 s.

    Its confidence is a correlation.
    """
    spoken = _activity(np.array([[part.start, part.end] for part in speech]).reshape(-1, 2))
    edges = np.array([[cue.start, cue.end] for cue in cues]).reshape(-1, 2)
    if not len(edges) or not len(speech):
        return Shift()
    return max((_best_offset(edges, spoken, ratio) for ratio in [1.0, *SPEEDS.values()]), key=lambda s: s.confidence)


def fit_shift(cue_times: Sequence[float], word_times: Sequence[float]) -> Shift:
    """The shift that takes most of the times ``cue_times`` of a subtitle to the ``word_times``
    found in the audio.

    A speed that comes of frame rates is preferred to any other.
    """
    x = np.asarray(cue_times, np.float64)
    y = np.asarray(word_times, np.float64)
    if len(x) < _FEWEST:
        return Shift()
    usual = max(
        (_fit_offset(x, y, ratio) for ratio in [1.0, *SPEEDS.values()]), key=lambda s: (s.confidence, -_miss(s, x, y))
    )
    free = _fit_offset(x, y, _slope(x, y))
    return free if free.confidence > usual.confidence + _GAIN else usual


def _activity(edges: Floats) -> Floats:
    """1 at every moment inside one of the spans (n, 2), else 0."""
    frames = np.round(np.maximum(edges, 0) / _STEP).astype(np.int64)
    steps = np.zeros(int(frames.max(initial=0)) + 2)
    np.add.at(steps, frames[:, 0], 1)
    np.add.at(steps, frames[:, 1], -1)
    return (np.cumsum(steps) > 0).astype(np.float64)


def _best_offset(edges: Floats, spoken: Floats, ratio: float) -> Shift:
    shown = _activity(ratio * edges)
    size = len(shown) + len(spoken)
    one = shown - shown.mean()
    other = spoken - spoken.mean()
    together = np.fft.irfft(np.fft.rfft(other, size) * np.conj(np.fft.rfft(one, size)), size)
    best = int(together.argmax())
    strength = float(together[best] / (np.linalg.norm(one) * np.linalg.norm(other) + 1e-9))
    return Shift(ratio, _STEP * (best if best < len(spoken) else best - size), max(0.0, min(1.0, strength)))


def _fit_offset(x: Floats, y: Floats, ratio: float) -> Shift:
    """The offset that most agree on, for this ratio."""
    apart = np.sort(y - ratio * x)
    within = np.searchsorted(apart, apart + 2 * _NEAR, side="right") - np.arange(len(apart))
    most = int(within.argmax())
    agreed = apart[most : most + within[most]]
    offset = float(np.median(agreed))
    return Shift(ratio, offset, float(np.mean(np.abs(apart - offset) <= _NEAR)))


def _miss(shift: Shift, x: Floats, y: Floats) -> float:
    return float(np.median(np.abs(shift.ratio * x + shift.offset - y)))


def _slope(x: Floats, y: Floats) -> float:
    """Median slope of pairs half the list apart."""
    half = len(x) // 2
    steps = x[half:] - x[: len(x) - half]
    return float(np.median((y[half:] - y[: len(y) - half])[steps > 0] / steps[steps > 0])) if (steps > 0).any() else 1.0
