"""A known text aligned with its audio: when each word is spoken, and which are not."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice, pairwise
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptasr_subs.errors import FormatError, MediaError, ModelError
from gptasr_subs.formats import is_readable, read
from gptasr_subs.media.decode import CountedBlocks, decode_blocks
from gptasr_subs.media.probe import choose_track, probe
from gptasr_subs.recognition.recognizer import CtcRecognizer, Recognizer
from gptasr_subs.recognition.windows import window_limits
from gptasr_subs.speech.segmentation import Window, segment_blocks
from gptasr_subs.speech.snapping import snap_words
from gptasr_subs.storage.files import read_text
from gptasr_subs.types import Cue, FloatArray, Span, Word

_BATCH = 32  # windows recognised together
# Words on either side; where fewer than half of them are found near, this one was found by chance
_NEIGHBOURS = 3
_NEAR = 0.7  # seconds of speech, beside the room that the words themselves need
CHAR_SECONDS = 0.065  # of an ordinary voice
# Words that were not found are taken as spoken where they have this many times the room they need
_ROOM = (0.5, 2.5)
# Seconds of other speech between two words that follow one another: the text may be spoken at
# another time as well. So many of the parts between are looked at, with so much more room around
# them than the whole text needs at their pace; there its words may be less clear by this.
_FAR = 5.0
_PARTS = 3
_SPARE = 1.2
_AS_CLEAR = 0.85
# So many words beside those that were found are looked for once more in their neighbourhood alone.
# Between neighbours, with this penalty for a word that is not spoken: in a talk of 4.7 minutes that
# found 13 of 15 lost words, and 4 of 100 that are not spoken.
_FEW_WORDS = 3
_SURE_SKIP = 10.0  # nats
# At the ends: where they are spoken, their mean confidence is 0.6 and more, elsewhere 0 to 0.45.
_END_WORDS = 12
_END_CONFIDENCE = 0.55
# Mean confidence of a text's words; in another video 0.1 to 0.22, in its own 0.47 and more
_MIN_CONFIDENCE = 0.25
# Tags, and sounds described in brackets
_NOT_SPOKEN = re.compile(r"<[^>]*>|\{[^}]*\}|\[[^\]]*\]|\([^)]*\)")


@dataclass(frozen=True)
class CtcEmissions:
    """CTC emissions of a video: ``log_probs`` (T, C) of its windows in a row, and when each frame
    begins, (T,).
    """

    log_probs: FloatArray
    times: NDArray[np.float64]
    frame: float  # seconds
    windows: tuple[Window, ...]  # without their samples
    offsets: tuple[float, float] = (0.0, 0.0)  # seconds to add to where words begin and end in them
    seconds: float = inf  # of the video, where that is known

    def window_at(self, time: float) -> int:
        """Return the number of the last window that begins at ``time`` or before."""
        return bisect_right(self.windows, time, key=lambda window: window.span.start) - 1

    def within(self, span: Span) -> CtcEmissions:
        """Return the frames of a stretch of the video only."""
        inside = (self.times >= span.start) & (self.times < span.end)
        return replace(self, log_probs=self.log_probs[inside], times=self.times[inside])

    @property
    def speech(self) -> list[Span]:
        """Spans of speech."""
        return [part for window in self.windows for part in window.speech]


def compute_emissions(
    media: Path,
    recognizer: Recognizer,
    *,
    audio_track: int | str | None = None,
    on_progress: Callable[[float, float], None] | None = None,
) -> CtcEmissions:
    """Return emissions of a whole media file; ``on_progress`` is called with the seconds done and
    in all.

    Raises MediaError where there is no speech, ModelError where the recogniser has no CTC head.
    """
    if not isinstance(recognizer, CtcRecognizer):
        raise ModelError(f"The model {recognizer.name!r} cannot align a text; use --model default.")
    info = probe(media)
    track = choose_track(info, audio_track)
    rate = recognizer.sample_rate
    frame = recognizer.frame_seconds
    blocks = CountedBlocks(decode_blocks(media, track=track, sample_rate=rate), rate)
    windows: list[Window] = []
    parts: list[FloatArray] = []
    times: list[NDArray[np.float64]] = []
    upcoming = segment_blocks(blocks, rate, window_limits(recognizer))
    while batch := list(islice(upcoming, _BATCH)):
        answers = recognizer.ctc_log_probs([window.samples for window in batch])
        for window, log_probs in zip(batch, answers, strict=True):
            windows.append(replace(window, samples=window.samples[:0]))
            parts.append(log_probs)
            times.append(window.span.start + frame * np.arange(len(log_probs), dtype=np.float64))
            if on_progress:
                on_progress(window.span.end, info.duration)
    if not parts:
        raise MediaError(f"There is no speech in {str(media)!r}, so no text can be timed by it.")
    offsets = getattr(recognizer, "ctc_offsets", (0.0, 0.0))
    return CtcEmissions(
        np.concatenate(parts),
        times=np.concatenate(times),
        frame=frame,
        windows=tuple(windows),
        offsets=offsets,
        seconds=max(info.duration, blocks.seconds),  # what is stated may be a guess
    )


def read_text_or_cues(path: Path) -> str | list[Cue]:
    """Return a subtitle's cues, or the whole of any other text file.

    Raises FormatError, also for a text in which there is nothing to listen for.
    """
    if is_readable(path):
        return read(path)
    text = read_text(path)
    if not readable_words(text):
        raise FormatError(
            f"{str(path)!r} has no word in Latin letters to listen for; check that it is the text "
            "of the video."
        )
    return text


def align_script(text: str, emissions: CtcEmissions) -> tuple[list[Word], list[str]]:
    """Return the words of a plain text when they are spoken, and its phrases that are not, sounds
    described in brackets last.

    Raises FormatError.
    """
    texts = readable_words(text)
    words = align_words(texts, emissions)
    refuse_mismatch(words)
    unspoken = [
        " ".join(text for text, _ in group)
        for found, group in groupby(
            zip(texts, words, strict=True), key=lambda pair: pair[1] is not None
        )
        if not found
    ]
    described = [tag for tag in _NOT_SPOKEN.findall(text) if tag[0] in "[("]
    return [word for word in words if word], unspoken + described


def align_words(texts: Sequence[str], emissions: CtcEmissions) -> list[Word | None]:
    """Return each word of a long text when it is spoken; None for one that is not.

    A text that is spoken several times and written once is found at one of these times.
    """
    words = _align(texts, emissions)
    everywhere = [word.confidence for word in words if word]
    for stretch in _likely_stretches(words, texts, _SpeechClock(emissions.speech)):
        together = _align(texts, emissions.within(stretch))
        there = [word.confidence for word in together if word]
        # Where no fewer words are found, and nearly as clearly
        if len(there) >= len(everywhere) and sum(there) >= _AS_CLEAR * sum(everywhere):
            return together
    return words


def _align(texts: Sequence[str], emissions: CtcEmissions) -> list[Word | None]:
    words = _find(texts, emissions)
    words = _search_between(words, texts, emissions)
    words = _search_ends(words, texts, emissions)
    return _fill_gaps(words, texts, _SpeechClock(emissions.speech))


def _find(
    texts: Sequence[str], emissions: CtcEmissions, *, skip: float | None = None
) -> list[Word | None]:
    from gptasr_subs.model import ctc
    from gptasr_subs.model.alignment.longform import Penalties, find_words
    from gptasr_subs.model.alignment.words import resolve_overlaps

    spelled = [[letter for letter in ctc.encode(text) if letter != ctc.SPACE] for text in texts]
    penalties = Penalties() if skip is None else Penalties(skip=skip)
    found = find_words(emissions.log_probs, spelled, penalties)
    words: list[Word | None] = []
    for text, frames in zip(texts, found, strict=True):
        if frames is None:
            words.append(None)
            continue
        start = float(emissions.times[frames.first])
        end = float(emissions.times[frames.last]) + emissions.frame
        # The offset must not take a word out of the window in which it was found.
        earliest = emissions.windows[emissions.window_at(start)].span.start
        start = max(earliest, start + emissions.offsets[0])
        words.append(Word(text, start, end + emissions.offsets[1], min(1.0, frames.posterior)))
    there = [word for word in words if word]
    if not there:
        return words
    numbers = [number for number, word in enumerate(words) if word]
    apart = zip(numbers, resolve_overlaps(there, there[-1].end), strict=True)
    # They move to the edges of speech, window by window.
    for window, group in groupby(apart, key=lambda pair: emissions.window_at(pair[1].start)):
        own, mine = zip(*group, strict=True)
        snapped = snap_words(mine, emissions.windows[window].speech)
        for number, word in zip(own, snapped, strict=True):
            words[number] = word
    return _drop_chance_matches(words, _SpeechClock(emissions.speech))


def _search_between(
    words: Sequence[Word | None], texts: Sequence[str], emissions: CtcEmissions
) -> list[Word | None]:
    """Look for a few words that were lost between others where only these can be."""
    result = list(words)
    for first, after, before, behind in _gaps(words):
        if after - first > _FEW_WORDS:
            continue
        stretch = Span(before.start - emissions.frame, behind.end + emissions.frame)
        there = _find(texts[first - 1 : after + 1], emissions.within(stretch), skip=_SURE_SKIP)
        left, *between, right = there
        if left and right and all(between):
            result[first - 1] = replace(before, end=left.end)
            result[first:after] = between
            result[after] = replace(behind, start=right.start)
    return result


def _search_ends(
    words: Sequence[Word | None], texts: Sequence[str], emissions: CtcEmissions
) -> list[Word | None]:
    """Look for the words before the first and after the last that was found, close to these.

    In a recording that goes on, they find their letters anywhere.
    """
    result = list(words)
    found = [(index, word) for index, word in enumerate(words) if word]
    if not found:
        return result
    (first, opening), (last, closing) = found[0], found[-1]
    head = slice(max(0, first - _END_WORDS), first + 1)
    there = _find_near(texts[head], emissions, until=opening.end)
    if there[-1]:
        result[head] = [*there[:-1], replace(opening, start=there[-1].start)]
    tail = slice(last, last + 1 + _END_WORDS)
    there = _find_near(texts[tail], emissions, since=closing.start)
    if there[0]:
        closing = result[last] or closing
        result[tail] = [replace(closing, end=there[0].end), *there[1:]]
    return result


def _find_near(
    texts: Sequence[str], emissions: CtcEmissions, *, since: float = -inf, until: float = inf
) -> list[Word | None]:
    """Find words in as much speech after or before a moment as they may need.

    None of them where they are not clear, or where there is but the one that is known.
    """
    nothing: list[Word | None] = [None for _ in texts]
    if len(texts) == 1:
        return nothing
    sizes = np.array([len(text) + 1 for text in texts])
    room = _NEAR + _ROOM[1] * CHAR_SECONDS * sizes.sum()
    clock = _SpeechClock(emissions.speech)
    passed = clock.at([until if since == -inf else since])
    earliest, latest = clock.moments([passed[0] - room, passed[0] + room]).tolist()
    stretch = Span(max(since, earliest), min(until, latest))
    there = _find(texts, emissions.within(stretch), skip=_SURE_SKIP)
    confidences = [word.confidence if word else 0.0 for word in there]
    return there if np.average(confidences, weights=sizes) >= _END_CONFIDENCE else nothing


def _gaps(words: Sequence[Word | None]) -> Iterator[tuple[int, int, Word, Word]]:
    """Yield where words that were not found begin and end between two that were, and these two."""
    found = [(index, word) for index, word in enumerate(words) if word]
    for (left, before), (right, behind) in pairwise(found):
        if right - left > 1:
            yield left + 1, right, before, behind


def _likely_stretches(
    words: Sequence[Word | None], texts: Sequence[str], clock: _SpeechClock
) -> list[Span]:
    """Return where the whole text may be spoken, if its words were found in several parts of the
    audio with other speech between them: around each of the longest parts.
    """
    sizes = np.cumsum([0, *(len(text) + 1 for text in texts)])
    found = [index for index, word in enumerate(words) if word]
    if not found:
        return []
    places = clock.at([word.start for word in words if word])
    before = sizes[found]  # characters of the text before each of them
    jumps = np.diff(places) > _FAR + _ROOM[1] * CHAR_SECONDS * np.diff(before)
    parts = np.split(np.arange(len(found)), np.flatnonzero(jumps) + 1)
    longest = sorted(parts, key=len, reverse=True)[:_PARTS] if jumps.any() else []
    stretches = []
    for first, last in sorted((int(part[0]), int(part[-1])) for part in longest):
        pace = (places[last] - places[first]) / (before[last] - before[first] + 1)
        spare = _SPARE * max(CHAR_SECONDS, pace)
        begin = places[first] - spare * before[first] - _NEAR
        end = places[last] + spare * (sizes[-1] - before[last]) + _NEAR
        stretches.append(Span(*clock.moments([begin, end]).tolist()))
    return stretches


def readable_words(text: str) -> list[str]:
    """Return the words of a text that have letters to align, without tags and described sounds."""
    from gptasr_subs.model.alignment.words import alignable_words

    return alignable_words(_NOT_SPOKEN.sub(" ", text))


def refuse_mismatch(words: Sequence[Word | None]) -> None:
    """Raise FormatError where little of a text was found."""
    sure = sum(word.confidence for word in words if word)
    if not words or sure < _MIN_CONFIDENCE * len(words):
        found = sum(word is not None for word in words)
        raise FormatError(
            f"Little of the text is spoken in the video ({found} of {len(words)} words, and those "
            "not clearly); check that the two belong together."
        )


_Times = Sequence[float] | NDArray[np.float64]


class _SpeechClock:
    """Converts between video time and seconds of speech: pauses may be of any length."""

    def __init__(self, speech: Sequence[Span]) -> None:
        self._moments = np.array([edge for part in speech for edge in (part.start, part.end)])
        passed = np.cumsum([0.0, *(part.seconds for part in speech)])
        self._passed = np.repeat(passed, 2)[1:-1]

    def at(self, moments: _Times) -> NDArray[np.float64]:
        """Return seconds of speech before each of these moments of the video."""
        passed: NDArray[np.float64] = np.interp(moments, self._moments, self._passed)
        return passed

    def moments(self, passed: _Times) -> NDArray[np.float64]:
        """Return the moments at which these seconds of speech have passed."""
        moments: NDArray[np.float64] = np.interp(passed, self._passed, self._moments)
        return moments


def _drop_chance_matches(words: Sequence[Word | None], clock: _SpeechClock) -> list[Word | None]:
    """Drop words few of whose neighbours are found near them: a few letters are found anywhere by
    chance.
    """
    places = clock.at([word.start if word else 0.0 for word in words])
    places[[word is None for word in words]] = np.inf
    sizes = np.cumsum([len(word.text) + 1 if word else 0 for word in words])
    kept = list(words)
    for index in np.flatnonzero(np.isfinite(places)):
        around = np.arange(max(0, index - _NEIGHBOURS), min(len(words), index + _NEIGHBOURS + 1))
        around = around[around != index]
        allowed = _NEAR + _ROOM[1] * CHAR_SECONDS * np.abs(sizes[around] - sizes[index])
        if 2 * (np.abs(places[around] - places[index]) <= allowed).sum() < len(around):
            kept[index] = None
    return kept


def _fill_gaps(
    words: Sequence[Word | None], texts: Sequence[str], clock: _SpeechClock
) -> list[Word | None]:
    """Add words that were not found where the speech between their neighbours has room for them."""
    filled = list(words)
    for first, after, before, behind in _gaps(words):
        shares = np.cumsum([0, *(len(text) + 1 for text in texts[first:after])])
        begin, end = clock.at([before.end, behind.start])
        if _ROOM[0] <= (end - begin) / (CHAR_SECONDS * shares[-1]) <= _ROOM[1]:
            moments = clock.moments(begin + (end - begin) * shares / shares[-1])
            edges = pairwise(moments.clip(before.end, behind.start).tolist())
            for index, (start, stop) in enumerate(edges, first):
                filled[index] = Word(texts[index], start, stop, 0.0)
    return filled
