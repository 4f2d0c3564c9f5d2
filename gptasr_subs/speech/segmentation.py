"""Cut audio into windows of speech that a recogniser can take: at pauses, never longer than its
limit.

Speech on both sides of a short pause stays together; the longer a window is, the shorter the pause
that ends it. Where there is no pause for too long, the window ends in the longest small gap of its
second half, or else where it is quietest.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptasr_subs.speech.activity import BoolArray, Detection, detect_speech, hop_size, running_mean
from gptasr_subs.types import FloatArray, Span


@dataclass(frozen=True, slots=True)
class SegmentationOptions:
    """How windows are cut; all in seconds.

    ``max_seconds``: no window is longer. ``padding``: audio kept before and after speech, at most
    half a pause. ``longest_pause`` is bridged in a window that has just begun, ``usual_pause`` in
    one of a fifth of the greatest length, ``shortest_pause`` in one that is nearly full.
    ``max_bridged_gap``: pauses this short are not reported in ``Window.speech``. ``min_run``: audio
    this short, all alone or before a word, is no part of one.
    """

    max_seconds: float = 16.0
    padding: float = 0.25
    longest_pause: float = 1.0
    usual_pause: float = 0.6
    shortest_pause: float = 0.25
    max_bridged_gap: float = 0.2
    min_run: float = 0.09


@dataclass(frozen=True, slots=True)
class Window:
    """Audio to recognise at once: where it lies, its samples (n_samples,), and its speech.

    ``speech`` are spans in media time, in order, all inside ``span``; they begin and end with the
    voice itself.
    """

    span: Span
    samples: FloatArray
    speech: tuple[Span, ...]

    def shifted(self, seconds: float) -> Window:
        """Return the same window so many seconds later."""
        span, *speech = (
            Span(part.start + seconds, part.end + seconds) for part in (self.span, *self.speech)
        )
        return replace(self, span=span, speech=tuple(speech))


def split_speech(
    audio: FloatArray, sample_rate: int = 16000, *, max_seconds: float = 16.0, padding: float = 0.25
) -> list[Span]:
    """Return spans of speech in ``audio`` (n_samples,), each at most ``max_seconds`` long, in
    order, never overlapping.
    """
    options = SegmentationOptions(max_seconds=max_seconds, padding=padding)
    return [window.span for window in segment_blocks([audio], sample_rate, options)]


def segment_blocks(
    blocks: Iterable[FloatArray],
    sample_rate: int,
    options: SegmentationOptions = SegmentationOptions(),
) -> Iterator[Window]:
    """Yield windows of speech from mono blocks (n_samples,) that follow one another.

    About 100 s of audio are held. The windows depend on the audio alone, not on the size of the
    blocks. Raises ValueError for options that leave no room for speech, or a sample rate under 8000
    Hz.
    """
    cutter = _Cutter(sample_rate, options)
    for piece in detect_speech(blocks, sample_rate):
        cutter.add(piece)
        yield from cutter.windows()
    yield from cutter.windows(final=True)


class _Run(NamedTuple):
    """Frames of speech, ``start`` up to ``end``, counted from the first frame held."""

    start: int
    end: int


_NEVER = _Run(sys.maxsize, sys.maxsize)

_STEP = 6.0  # dB by which a voice that begins rises above the quietest level before it
_HALF_FRAME = 0.02  # seconds by which a frame includes a voice before it begins and after it ends
_BESIDE = 0.1  # seconds before and after an edge that are compared
_BLUR = 0.7  # seconds by which detection may be off beside noise or music that stops or begins


class _Cutter:
    """Holds audio that is not in a window yet.

    Gives a window once nothing that follows can change it.
    """

    def __init__(self, sample_rate: int, options: SegmentationOptions) -> None:
        self._rate = sample_rate
        self._hop = hop_size(sample_rate)
        self._options = options
        self._padding = self._frames(options.padding)
        self._margin = self._frames(1.0)
        # Frames of speech
        self._limit = int(options.max_seconds * sample_rate / self._hop) - 2 * self._padding
        # Frames that decide a window
        self._lookahead = self._limit + self._frames(options.longest_pause) + self._margin
        if self._limit < self._margin:
            raise ValueError(
                f"Windows of {options.max_seconds} s with {options.padding} s of padding "
                "are too short."
            )
        self._begun = 0  # frames that went before those held
        self._samples = np.zeros(0, np.float32)
        self._level = np.zeros(0, np.float32)
        self._speech = np.zeros(0, np.bool_)

    def add(self, piece: Detection) -> None:
        """Hold one more piece of audio."""
        self._samples = np.concatenate([self._samples, piece.samples])
        self._speech = np.concatenate([self._speech, piece.speech])
        self._level = np.concatenate([self._level, piece.level])

    def windows(self, final: bool = False) -> Iterator[Window]:
        """Yield the windows that are certain by now, all that are left if no more audio comes."""
        while True:
            runs = self._runs()
            first = runs[0].start if runs else len(self._speech)
            if not runs or (len(self._speech) < first + self._lookahead and not final):
                self._drop(max(0, first - self._margin))
                return
            end, resumed = self._end(runs)
            start = max(0, first - self._padding)
            stop = min(end + self._padding, (end + resumed) // 2, len(self._speech))
            samples = self._samples[start * self._hop : stop * self._hop].copy()
            begin = (self._begun + start) * self._hop
            span = Span(begin / self._rate, (begin + len(samples)) / self._rate)
            speech = [
                Span(self._seconds(run.start), min(self._seconds(run.end), span.end))
                for run in map(self._voiced, runs)
            ]
            yield Window(span, samples, tuple(part for part in speech if part.start < span.end))
            self._drop(stop)

    def _runs(self) -> list[_Run]:
        """Return speech with short gaps filled and short runs left out."""
        starts, ends = _islands(self._speech)
        apart = starts[1:] - ends[:-1] > self._frames(self._options.max_bridged_gap)
        starts = starts[np.append(True, apart)[: len(starts)]]
        ends = ends[np.append(apart, True)[: len(ends)]]
        min_run = self._frames(self._options.min_run)
        return [
            _Run(int(start), int(end))
            for start, end in zip(starts, ends, strict=True)
            if end - start > min_run
        ]

    def _end(self, runs: list[_Run]) -> tuple[int, int]:
        """Return where the speech of the next window ends, and where speech goes on after it."""
        first = runs[0].start
        # The longer the window is, the shorter a pause it bridges
        lengths = [0, self._limit / 5, self._limit]
        options = self._options
        pauses = (options.longest_pause, options.usual_pause, options.shortest_pause)
        bridged = [self._frames(pause) for pause in pauses]
        for run, following in pairwise([*runs, _NEVER]):
            if run.end - first > self._limit:
                break
            if following.start - run.end > np.interp(run.end - first, lengths, bridged):
                return run.end, following.start
        # Too long for a window: cut where it is quietest in the second half, leaving no scrap
        low = first + self._limit // 2
        last = min(run.end, first + self._lookahead)
        high = min(first + self._limit, last - self._limit // 8)
        cut = low + int(np.argmin(running_mean(self._level, self._frames(0.15))[low:high]))
        return cut, cut

    def _voiced(self, run: _Run) -> _Run:
        """Return the run from where its level first rises to where it last falls, clicks before it
        left out.

        Beside noise or music, detection blurs its edges: there the level does not step, and they
        move inwards.
        """
        before = min(run.start, self._frames(_BESIDE))
        after = self._frames(_BESIDE)
        speech = self._speech[run.start : run.end]
        rises = _rises(self._level[run.start - before : run.end])[before:] & speech
        falls = _rises(self._level[run.start : run.end + after][::-1])[::-1][: len(speech)] & speech
        starts, ends = _islands(speech)
        words = np.flatnonzero(ends - starts > self._frames(self._options.min_run))
        clicks = int(starts[words[0]]) if len(words) else 0
        half = self._frames(_HALF_FRAME)
        voiced = _Run(
            run.start + self._first(rises, clicks) + half,
            run.end - self._first(falls[::-1]) - half,
        )
        return voiced if voiced.start < voiced.end else run

    def _first(self, steps: BoolArray, least: int = 0) -> int:
        """Return how many frames from an edge, at least ``least``, the first step lies.

        0 where there is none nearby.
        """
        found = np.flatnonzero(steps[least:]) + least
        return int(found[0]) if len(found) and found[0] <= self._frames(_BLUR) else 0

    def _drop(self, frames: int) -> None:
        self._begun += frames
        self._samples = self._samples[frames * self._hop :]
        self._speech = self._speech[frames:]
        self._level = self._level[frames:]

    def _frames(self, seconds: float) -> int:
        return round(seconds * self._rate / self._hop)

    def _seconds(self, frame: int) -> float:
        return (self._begun + frame) * self._hop / self._rate


def _islands(mask: BoolArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First frame of every stretch that is true, and the frame after its last."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return edges[::2], edges[1::2]


def _rises(level: FloatArray) -> BoolArray:
    """Return where the level is well above the quietest that went before."""
    above: BoolArray = level > np.minimum.accumulate(level) + _STEP
    return above
