"""How true the times of cues are, on a film whose utterances are known to the millisecond.

    python benchmarks/word_timing.py talk.mkv talk.truth.json [--whisper MODEL] [--model PATH]

prints the table of docs/timing.md. A recogniser gets words wrong, so utterances are told apart by
time and not by text: a word belongs to the utterance that it overlaps most, or, where it overlaps
none, to the nearest within a second. A cue counts as the beginning of an utterance if its first
word is the first of that utterance's, and as its end likewise.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gptasr_subs.types import Cue, Span, Word

NEAREST = 1.0  # seconds
LEAD_OUT = 0.5  # seconds that a cue may stay after the voice
NEAR = 0.25  # seconds that either edge of a cue may be off


@dataclass(frozen=True)
class Timing:
    """Seconds from first sounds to cue starts and last sounds to cue ends; cues without speech."""

    starts: tuple[float, ...]
    ends: tuple[float, ...]
    over_silence: tuple[Cue, ...]

    def row(self) -> str:
        """Milliseconds, as a row of a table."""
        starts, ends = 1000 * np.abs(self.starts), 1000 * np.array(self.ends)
        cells = [f"{np.median(starts):.0f}", f"{np.percentile(starts, 95):.0f}", len(starts)]
        cells += [f"{np.median(ends):+.0f}", f"{ends.min():+.0f}", int((ends < 0).sum()), len(ends)]
        return " | ".join(map(str, [*cells, len(self.over_silence)]))


def read_truth(path: Path) -> tuple[list[Span], list[Span]]:
    """The utterances, and the stretches without speech."""
    truth = json.loads(path.read_text())
    return tuple(
        [Span(part["start"], part["end"]) for part in truth[name]]
        for name in ("speech", "no_speech")
    )  # type: ignore[return-value]


def measure(
    words: Sequence[Word], cues: Sequence[Cue], utterances: Sequence[Span], silence: Sequence[Span]
) -> Timing:
    """``words`` are those of ``cues``, in order."""
    owners = [_owner(word, utterances) for word in words for _ in word.text.split()]
    starts, ends = [], []
    for cue, first, last in _tokens(cues):
        owner = owners[first]
        if owner is not None and owner not in owners[:first]:
            starts.append(cue.start - utterances[owner].start)
        owner = owners[last]
        if owner is not None and owner not in owners[last + 1 :]:
            ends.append(cue.end - utterances[owner].end)
    inner = [Span(quiet.start + LEAD_OUT + NEAR, quiet.end - NEAR) for quiet in silence]
    over = [
        cue
        for cue in cues
        if any(cue.start < quiet.end and cue.end > quiet.start for quiet in inner)
    ]
    return Timing(tuple(starts), tuple(ends), tuple(over))


def _tokens(cues: Sequence[Cue]) -> Iterator[tuple[Cue, int, int]]:
    """Each cue with the numbers of its first and last word."""
    first = 0
    for cue in cues:
        count = len(cue.text.split())
        yield cue, first, first + count - 1
        first += count


def _owner(word: Word, utterances: Sequence[Span]) -> int | None:
    apart = [
        max(part.start - word.end, word.start - part.end) for part in utterances
    ]  # negative where they overlap
    nearest = int(np.argmin(apart))
    return nearest if apart[nearest] < NEAREST else None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How true the times of cues are.")
    parser.add_argument("film", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--whisper", help="a model of faster-whisper, to compare with")
    given = parser.parse_args()
    utterances, silence = read_truth(given.truth)
    print("| | starts median | 95 % | n | ends median | earliest | too early | n | over silence |")
    for name, words, cues in _contestants(given.film, given.model, given.whisper):
        print(f"| {name} | {measure(words, cues, utterances, silence).row()} |")


def _contestants(
    film: Path, model: str, whisper: str | None
) -> Iterator[tuple[str, Sequence[Word], Sequence[Cue]]]:
    from gptasr_subs.pipeline.recognize import recognize_file

    document = recognize_file(film, model, device="cpu")
    yield "gptasr-subs", document.words, document.cues
    if whisper:
        for vad in (False, True):
            yield from _whisper(film, whisper, vad)


def _whisper(
    film: Path, model: str, vad: bool
) -> Iterator[tuple[str, Sequence[Word], Sequence[Cue]]]:
    from faster_whisper import WhisperModel

    from gptasr_subs.cues.shaping import shape_cues

    whisper = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=2)
    segments: list[Any] = list(
        whisper.transcribe(str(film), language="en", word_timestamps=True, vad_filter=vad)[0]
    )
    words = [
        Word(w.word.strip(), w.start, w.end, w.probability) for part in segments for w in part.words
    ]
    name = "faster-whisper" + ", VAD" * vad
    yield (
        f"{name}: its own cues",
        words,
        [Cue(part.start, part.end, (part.text.strip(),)) for part in segments],
    )
    yield f"{name}: its words, our cues", words, shape_cues(words)


if __name__ == "__main__":
    main()
