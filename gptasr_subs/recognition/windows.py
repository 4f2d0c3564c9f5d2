"""Windows of audio in, their words out: in groups, but for known windows and those that fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from gptasr_subs.recognition.prefetch import prefetch
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.recognition.record import Record
from gptasr_subs.recognition.transcript import RecognizedWindow, recognized_window
from gptasr_subs.speech.segmentation import SegmentationOptions, Window, segment_blocks
from gptasr_subs.types import FloatArray, Span, Word

# Seconds of speech recognised at first, so that text comes soon; each group is twice the last ...
_FIRST_GROUP = 20.0
# ... up to this: enough for batches of windows of like length, few enough to keep memory flat.
_LARGEST_GROUP = 240.0
_AHEAD = 32  # windows that are cut while others are recognised


def window_limits(recognizer: Recognizer) -> SegmentationOptions:
    """Return how to cut windows for this recogniser."""
    usual = SegmentationOptions()
    return replace(usual, max_seconds=min(usual.max_seconds, recognizer.max_seconds))


def clip_windows(
    blocks: Iterable[FloatArray], sample_rate: int, limits: SegmentationOptions
) -> Iterator[Window]:
    """Yield a clip that fits into one window whole, else its stretches of speech."""
    rest = iter(blocks)
    head: list[FloatArray] = []
    seconds = 0.0
    for block in rest:
        head.append(block)
        seconds += len(block) / sample_rate
        if seconds > limits.max_seconds:
            yield from segment_blocks(chain(head, rest), sample_rate, limits)
            return
    if seconds:
        span = Span(0.0, seconds)
        yield Window(span, np.concatenate(head), (span,))


def recognize(
    recognizer: Recognizer,
    windows: Iterable[Window],
    *,
    batch_size: int = 0,
    beams: int = 0,
    record: Record | None = None,
) -> Iterator[tuple[Window, list[Word]]]:
    """Yield each window with its words in media time, in order; see ``recognize_groups``."""
    for group in recognize_groups(
        recognizer, windows, batch_size=batch_size, beams=beams, record=record
    ):
        yield from ((window, list(found.words)) for window, found in group)


def recognize_groups(
    recognizer: Recognizer,
    windows: Iterable[Window],
    *,
    batch_size: int = 0,
    beams: int = 0,
    record: Record | None = None,
) -> Iterator[list[tuple[Window, RecognizedWindow]]]:
    """Yield the windows with what is recognised in them, in groups of growing size.

    With a ``record``, what it holds is not recognised again, the rest is put there, and a window
    that fails has no words; without one the first error is raised.
    """
    requests = _Requests(recognizer, batch_size=batch_size, beams=beams, record=record)
    for group in _groups(prefetch(windows, _AHEAD)):
        found = requests.words_of(group)
        yield [
            (window, recognized_window(window.span, window.speech, found.get(index, [])))
            for index, window in enumerate(group)
        ]
    requests.raise_if_all_failed()


class _Requests:
    """Asks for the words of windows; a window that fails alone costs only itself."""

    def __init__(
        self, recognizer: Recognizer, *, batch_size: int, beams: int, record: Record | None
    ) -> None:
        self._recognizer = recognizer
        self._sizes = {"batch_size": batch_size, "beams": beams}
        self._record = record
        self._answers = 0
        self._error: Exception | None = None

    def words_of(self, group: Sequence[Window]) -> dict[int, list[Word]]:
        """By the number of the window in its group."""
        found: dict[int, list[Word]] = {}
        if self._record:
            for index, window in enumerate(group):
                words = self._record.recall(window)
                if words is not None:
                    found[index] = words
        self._answers += len(found)
        missing = [index for index in range(len(group)) if index not in found]
        if not missing:
            return found
        try:
            self._ask(group, missing, found)
        except Exception:  # whatever is wrong with one window must not cost the others
            if not self._record:
                raise
            for index in missing:
                if index not in found:
                    self._ask_alone(group, index, found, self._record)
        return found

    def raise_if_all_failed(self) -> None:
        """Raise the last error if there was no window without one."""
        if self._error and not self._answers:
            raise self._error

    def _ask(
        self, group: Sequence[Window], indices: Sequence[int], found: dict[int, list[Word]]
    ) -> None:
        clips = [group[index].samples for index in indices]
        for position, words in self._recognizer.transcribe(clips, **self._sizes):
            index = indices[position]
            found[index] = words
            if self._record:
                self._record.store(group[index], words)
            self._answers += 1

    def _ask_alone(
        self, group: Sequence[Window], index: int, found: dict[int, list[Word]], record: Record
    ) -> None:
        try:
            self._ask(group, [index], found)
        except Exception as error:
            silence = np.zeros(self._recognizer.sample_rate, np.float32)
            try:
                list(self._recognizer.transcribe([silence], **self._sizes))
            except Exception:  # a second of silence fails too: the window is not to blame
                raise error from None
            self._error = error
            record.mark_failed(group[index], error)


def _groups(windows: Iterable[Window]) -> Iterator[list[Window]]:
    group: list[Window] = []
    size = _FIRST_GROUP
    for window in windows:
        group.append(window)
        if sum(member.span.seconds for member in group) >= size:
            yield group
            group = []
            size = min(2 * size, _LARGEST_GROUP)
    if group:
        yield group
