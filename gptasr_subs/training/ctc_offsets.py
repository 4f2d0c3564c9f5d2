"""How late CTC emits words, measured on speech of known times: flite tells when each phone ends.

A checkpoint's ``start_offset`` and ``end_offset`` correct for that.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np

from gptasr_subs.errors import UsageError
from gptasr_subs.model.alignment.words import align_words
from gptasr_subs.recognition.gptasr import GptAsrRecognizer
from gptasr_subs.types import FloatArray, Span, Word

VOICES = ("slt", "rms", "awb")

_PAUSE = "pau"
_FEWEST_WORDS = 4
_MIN_CONFIDENCE = 0.5  # of words that are measured: others may be aligned anywhere
_SPEAKING_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Offsets:
    """Median seconds to add to starts and ends, and the median error then, over ``words`` words."""

    start: float
    end: float
    start_spread: float
    end_spread: float
    words: int


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence read aloud: mono samples, and where each of its words lies."""

    samples: FloatArray
    rate: int
    words: tuple[str, ...]
    spans: tuple[Span, ...]


def measure_offsets(recognizer: GptAsrRecognizer, sentences: Iterable[Spoken]) -> Offsets:
    """Return what ``recognizer``'s CTC head is off, by aligning the true words.

    Raises ``UsageError`` where it recognises nothing.
    """
    pairs = [pair for sentence in sentences for pair in _aligned(recognizer, sentence)]
    if not pairs:
        raise UsageError(
            "The model recognises none of the sentences surely enough to time it;"
            " train it for longer."
        )
    # The median, for a word that is aligned wrongly lies far off.
    # (n_words, 2) seconds by which starts and ends are late.
    late = np.array([(word.start - span.start, word.end - span.end) for word, span in pairs])
    median = np.median(late, axis=0)
    start_spread, end_spread = np.median(np.abs(late - median), axis=0)
    return Offsets(
        -float(median[0]), -float(median[1]), float(start_spread), float(end_spread), len(pairs)
    )


def _aligned(recognizer: GptAsrRecognizer, sentence: Spoken) -> Iterator[tuple[Word, Span]]:
    """Yield words as CTC aligns them without offsets, and where they are; only confident ones."""
    import soxr

    samples = soxr.resample(sentence.samples, sentence.rate, recognizer.sample_rate)
    seconds = len(samples) / recognizer.sample_rate
    if seconds > recognizer.max_seconds:
        return
    (log_probs,) = recognizer.ctc_log_probs([samples])
    words = align_words(
        " ".join(sentence.words), log_probs, recognizer.frame_seconds, seconds=seconds
    )
    # CTC may join words that it cannot write alone; then they cannot be paired.
    if len(words) == len(sentence.spans):
        yield from (
            (word, span)
            for word, span in zip(words, sentence.spans, strict=True)
            if word.confidence >= _MIN_CONFIDENCE
        )


def read_by_flite(sentences: Iterable[str], count: int) -> Iterator[Spoken]:
    """Have flite read ``count`` of the ``sentences``, voices in turn.

    Those whose words and phones cannot be matched are skipped. Raises ``UsageError`` where the
    program is not installed.
    """
    import soundfile

    found = 0
    for number, sentence in enumerate(sentences):
        if found == count:
            return
        voice = VOICES[number % len(VOICES)]
        words = re.findall(r"[A-Za-z']+", sentence)
        if len(words) < _FEWEST_WORDS or any(character.isdigit() for character in sentence):
            continue
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "out.wav"
            phones = _speak(sentence, voice, str(wav))
            samples, rate = soundfile.read(wav, dtype="float32")
        spans = _spans_of_words(phones, [_count_phones(word.lower(), voice) for word in words])
        if spans:
            found += 1
            yield Spoken(samples, rate, tuple(words), spans)


def _spans_of_words(phones: Sequence[tuple[str, float]], counts: Sequence[int]) -> tuple[Span, ...]:
    """Return spans of words of ``counts`` phones each in ``phones``; empty if the counts differ."""
    # A phone begins where the one before it ends. Words have as many phones in a sentence as by
    # themselves, so counting finds their edges; where the counts differ, flite has reduced some.
    begins = [0.0, *(end for _, end in phones)]
    voiced = [
        Span(begin, end)
        for begin, (name, end) in zip(begins, phones, strict=False)
        if name != _PAUSE
    ]
    if sum(counts) != len(voiced) or 0 in counts:
        return ()
    return tuple(
        Span(voiced[first].start, voiced[last - 1].end)
        for first, last in pairwise(accumulate([0, *counts]))
    )


@lru_cache(maxsize=4096)
def _count_phones(word: str, voice: str) -> int:
    return sum(name != _PAUSE for name, _ in _speak(word, voice, "none"))


def _speak(text: str, voice: str, wav: str) -> list[tuple[str, float]]:
    """Let flite speak ``text`` into ``wav`` (or ``none``); return phones and their ends (s)."""
    command = ["flite", "-voice", voice, "-psdur", "-t", text, wav]
    try:
        said = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=_SPEAKING_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(
            f"flite does not read {text!r} ({error}); install the program flite."
        ) from error
    # ``-psdur`` prints "name:end" for each phone, ends in seconds from the beginning.
    pairs = (phone.rpartition(":") for phone in said.stdout.split())
    return [(name, float(end)) for name, _, end in pairs]
