"""A recogniser without a network: it knows the made-up words of ``say``, each by its pitch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from itertools import pairwise
from typing import Any

import numpy as np

from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.types import FloatArray, Word
from tests.support.media_maker import RATE

WORD_SECONDS = 0.4
PITCHES = {
    "one": 100.0,
    "two": 125.0,
    "three": 155.0,
    "four": 190.0,
    "Five.": 230.0,
    "Six.": 280.0,
}  # Hz

_FRAME = RATE // 100
_QUIET = 0.02  # RMS under which a frame is a pause
_GAP_FRAMES = 8  # pauses shorter than this lie within a word


def say(words: Iterable[tuple[float, str]], seconds: float, level: float = 0.3) -> FloatArray:
    """Samples (n_samples,) of ``seconds``; words of ``PITCHES`` sound for 0.4 s each."""
    sound = np.zeros(round(seconds * RATE), dtype=np.float32)
    for start, text in words:
        syllable = level * _syllable(PITCHES[text])
        begin = round(start * RATE)
        sound[begin : begin + len(syllable)] = syllable
    return sound


def _syllable(pitch: float) -> FloatArray:
    """Harmonics under a resonance that glides from 400 to 2200 Hz and back, to pass for a voice."""
    time = np.arange(round(WORD_SECONDS * RATE)) / RATE
    resonance = 1300 - 900 * np.cos(2 * np.pi * time / (WORD_SECONDS / 2))
    harmonics = np.arange(1, int(5000 / pitch))[:, None] * pitch
    gain = np.exp(-(((harmonics - resonance) / 350) ** 2)) + 0.1
    sound = (gain * np.sin(2 * np.pi * harmonics * time)).sum(0)
    edge = np.minimum(1, np.minimum(time, time[::-1]) / 0.02)
    return (edge * sound / np.abs(sound).max()).astype(np.float32)


class FakeRecognizer:
    """Hears a word for each burst of sound. Answers in reverse order, as the protocol allows.

    ``fails`` is raised once it has been asked ``after`` times.
    """

    name = "fake"
    sample_rate = RATE

    def __init__(
        self, max_seconds: float = 16.25, fails: BaseException | None = None, after: int = 0
    ) -> None:
        self.max_seconds = max_seconds
        self.asked: list[dict[str, int]] = []  # the options of every call
        self.clip_seconds: list[float] = []  # seconds of every clip
        self._fails, self._after = fails, after

    def transcribe(
        self, clips: Sequence[FloatArray], *, batch_size: int = 0, beams: int = 0
    ) -> Iterator[tuple[int, list[Word]]]:
        """As the protocol of recognisers says."""
        if self._fails and len(self.asked) >= self._after:
            raise self._fails
        self.asked.append({"clips": len(clips), "batch_size": batch_size, "beams": beams})
        self.clip_seconds += [len(clip) / RATE for clip in clips]
        for index in reversed(range(len(clips))):
            yield index, [_word(clips[index], *burst) for burst in _bursts(clips[index])]

    frame_seconds = 0.02

    def ctc_log_probs(self, clips: Sequence[FloatArray]) -> list[FloatArray]:
        """As the protocol of CTC recognisers says: the letters of each word from its start."""
        return [self._letters(clip) for clip in clips]

    def _letters(self, clip: FloatArray) -> FloatArray:
        from gptasr_subs.model import ctc  # brings torch along, which most users do without

        classes = np.zeros(int(len(clip) / RATE / self.frame_seconds), int)
        for burst in _bursts(clip):
            word = _word(clip, *burst)
            letters, first = ctc.encode(word.text), round(word.start / self.frame_seconds)
            classes[first : first + 2 * len(letters) : 2] = letters
        return np.log(
            np.where(np.arange(ctc.CLASSES) == classes[:, None], 0.9, 0.1 / (ctc.CLASSES - 1))
        ).astype(np.float32)


class Expecting(FakeRecognizer):
    """Writes the words it hears as the glossary has them."""

    identity = "expecting"
    glossary = Glossary()

    def with_glossary(self, glossary: Glossary) -> Expecting:
        expecting = copy(self)
        expecting.glossary = glossary
        expecting.identity = f"expecting {glossary.digest}"
        return expecting

    def transcribe(
        self, clips: Sequence[FloatArray], **sizes: Any
    ) -> Iterator[tuple[int, list[Word]]]:
        from gptasr_subs.glossary.writing import TermWriter  # brings torch along

        writer = TermWriter(self.glossary)
        for index, words in super().transcribe(clips, **sizes):
            yield index, writer.write(words)


class Hearing(Expecting):
    """One that gives the sounds of each window along, as GPT-ASR does."""

    weights = "expecting"

    def transcribe(
        self, clips: Sequence[FloatArray], **sizes: Any
    ) -> Iterator[tuple[int, list[Word]]]:
        from gptasr_subs.model.decoding.spotting import pack, sounds_of
        from gptasr_subs.recognition.transcript import WordsWithSounds

        plain = dict(FakeRecognizer.transcribe(self, clips, **sizes))
        for index, words in super().transcribe(clips, **sizes):
            (letters,) = self.ctc_log_probs([clips[index]])
            yield index, WordsWithSounds(words, plain[index], pack(sounds_of(letters)))


def _bursts(clip: FloatArray) -> list[tuple[int, int]]:
    """First and last frame of each stretch of sound."""
    frames = clip[: len(clip) // _FRAME * _FRAME].reshape(-1, _FRAME)
    loud = np.flatnonzero(np.sqrt((frames**2).mean(1)) > _QUIET)
    breaks = [0, *(np.flatnonzero(np.diff(loud) > _GAP_FRAMES) + 1), len(loud)]
    return [(int(loud[low]), int(loud[high - 1])) for low, high in pairwise(breaks) if high > low]


def _word(clip: FloatArray, first: int, last: int) -> Word:
    sound = clip[first * _FRAME : (last + 1) * _FRAME]
    spectrum = np.abs(np.fft.rfft(sound, 1 << 16)) ** 2
    periods = np.fft.irfft(spectrum)
    lags = {text: round(RATE / pitch) for text, pitch in PITCHES.items()}
    text = max(lags, key=lambda text: max(periods[lags[text] - 2 : lags[text] + 3]))
    return Word(text, first / 100, (last + 1) / 100, 0.9)
