"""How well a subtitle comes back whose film was cut, or that is of a version with other breaks.

    python benchmarks/subtitle_breaks.py talk.mkv talk.truth.json [--cuts 20] [--seed 0]

prints the table of docs/timing.md. The truth is a JSON file with the list ``speech`` of ``start``,
``end`` and ``text``. Each break lies between two utterances, either in the film or in the subtitle,
and lasts 3 to 90 s. No break is in the sound itself: the film is listened to once, and what is
heard after a break is moved on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gptasr_subs.align.known_text import CtcEmissions, compute_emissions
from gptasr_subs.align.retiming import align_cues
from gptasr_subs.speech.segmentation import Window
from gptasr_subs.types import Cue, Span

LONGEST = 90.0  # seconds of a break
SHORTEST = 3.0
NEAR = 0.25  # seconds from the truth at which a cue is in time
UNMOVED = 0.1  # seconds by which a cue that was right may move


@dataclass(frozen=True)
class Cut:
    """A film and a subtitle that differ, and where the subtitle's cues truly belong."""

    emissions: CtcEmissions
    cues: tuple[Cue, ...]
    true: tuple[Cue, ...]


@dataclass(frozen=True)
class Score:
    """Seconds that each cue is off, infinite where it was left out, and that right ones moved."""

    off: tuple[float, ...]
    moved: tuple[float, ...]

    def row(self) -> str:
        """Shares and seconds, as a row of a table."""
        off = np.array(self.off)
        in_time = f"{100 * (off <= NEAR).mean():.1f} %"
        worst = f"{max(self.moved, default=0.0):.2f}"
        return " | ".join(
            [in_time, f"{np.median(off):.3f}", str((off > NEAR).sum()), worst, str(len(self.moved))]
        )


def read_true_cues(truth: Path) -> tuple[Cue, ...]:
    """The utterances as cues."""
    speech = json.loads(truth.read_text())["speech"]
    return tuple(Cue(part["start"], part["end"], (part["text"],)) for part in speech)


def random_cut(emissions: CtcEmissions, true: Sequence[Cue], breaks: int, seed: int) -> Cut:
    """So many breaks at random places, each in the film or in the subtitle."""
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(np.arange(1, len(true)), breaks, replace=False))
    shown = list(true)
    placed = list(true)
    for place, length in zip(
        places.tolist(), rng.uniform(SHORTEST, LONGEST, breaks).tolist(), strict=True
    ):
        if rng.random() < 0.5:
            shown[place:] = [_later(cue, length) for cue in shown[place:]]
        else:
            middle = (placed[place - 1].end + placed[place].start) / 2
            emissions = with_break(emissions, middle, length)
            placed[place:] = [_later(cue, length) for cue in placed[place:]]
    return Cut(emissions, tuple(shown), tuple(placed))


def with_break(emissions: CtcEmissions, at: float, length: float) -> CtcEmissions:
    """The film with ``length`` seconds of silence put in at ``at``."""
    windows = []
    for window in emissions.windows:
        for span in _parts(window.span, at):
            later = length if span.start >= at else 0.0
            speech = [part for whole in window.speech for part in _parts(whole, at)]
            own = tuple(
                _later_span(part, later) for part in speech if span.start <= part.start < span.end
            )
            windows.append(Window(_later_span(span, later), window.samples, own))
    return replace(
        emissions,
        times=emissions.times + length * (emissions.times >= at),
        windows=tuple(windows),
        seconds=emissions.seconds + length,
    )


def score(cut: Cut) -> Score:
    """Mend the subtitle of a cut and compare."""
    mended = {cue.text: cue for cue in align_cues(cut.cues, cut.emissions).cues}
    starts = [mended[cue.text].start if cue.text in mended else np.inf for cue in cut.true]
    off = tuple(abs(start - cue.start) for start, cue in zip(starts, cut.true, strict=True))
    right = [
        abs(cue.start - true.start) < 1e-6 for cue, true in zip(cut.cues, cut.true, strict=True)
    ]
    return Score(off, tuple(distance for distance, was in zip(off, right, strict=True) if was))


def score_many(
    emissions: CtcEmissions, true: Sequence[Cue], breaks: int, cuts: int = 20, seed: int = 0
) -> Score:
    """All of so many random cuts."""
    scores = [
        score(random_cut(emissions, true, breaks, seed=1000 * seed + number))
        for number in range(cuts)
    ]
    return Score(
        tuple(distance for one in scores for distance in one.off),
        tuple(distance for one in scores for distance in one.moved),
    )


def _parts(span: Span, at: float) -> list[Span]:
    """A span, in two where ``at`` lies in it."""
    return [Span(span.start, at), Span(at, span.end)] if span.start < at < span.end else [span]


def _later(cue: Cue, seconds: float) -> Cue:
    return replace(cue, start=cue.start + seconds, end=cue.end + seconds)


def _later_span(span: Span, seconds: float) -> Span:
    return Span(span.start + seconds, span.end + seconds)


def main() -> None:
    """Measure and print."""
    from gptasr_subs import load_model

    parser = argparse.ArgumentParser(description="How well subtitles of other cuts come back.")
    parser.add_argument("film", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    emissions = compute_emissions(given.film, load_model(given.model))
    true = read_true_cues(given.truth)
    print("| breaks | in time | median | off | right ones moved, most | of cues |")
    for breaks in (1, 2, 3):
        found = score_many(emissions, true, breaks, cuts=given.cuts, seed=given.seed)
        print(f"| {breaks} | {found.row()} |", flush=True)


if __name__ == "__main__":
    main()
