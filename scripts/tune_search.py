"""Word error rate and speed of a checkpoint at several settings of its search, on dev sets.

    python scripts/tune_search.py CHECKPOINT DEV.tsv ... --beams 1,2,4,8 --ctc 0.2,0.3 --ilm 0.2,0.4

Prints a line a setting: the WER of each set in percent, their mean, and the seconds of audio for
each second of work. Every combination is tried. The last lines name the best mean, and the fastest
setting within half a point of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from gptasr_subs.corpora.manifest import read_transcribed
from gptasr_subs.evaluation.evaluate import evaluate
from gptasr_subs.model.decoding.decode import DecodingOptions
from gptasr_subs.recognition.gptasr import GptAsrRecognizer
from gptasr_subs.recognition.loading import load_gptasr

_TOLERANCE = 0.5  # points of WER that speed is worth


@dataclass(frozen=True, slots=True)
class Scored:
    """A setting, the WER of each set and the speed over all of them."""

    options: DecodingOptions
    rates: tuple[float, ...]
    rtfx: float

    @property
    def mean(self) -> float:
        """Over the sets, each counting the same."""
        return sum(self.rates) / len(self.rates)

    def __str__(self) -> str:
        """One line of the table."""
        chosen = self.options
        weights = f"{chosen.ctc_weight:4.2f} {chosen.ilm_weight:4.2f} {chosen.char_bonus:4.2f}"
        rates = "  ".join(f"{rate:5.1f}" for rate in self.rates)
        return f"{chosen.beam_size} {weights}  {rates}  {self.mean:6.2f}  {self.rtfx:5.0f}x"


def settings(usual: DecodingOptions, given: argparse.Namespace) -> Iterator[DecodingOptions]:
    """Every combination of what the command line lists."""
    for beams, ctc, ilm, char in product(given.beams, given.ctc, given.ilm, given.char):
        yield replace(
            usual,
            beam_size=int(beams),
            ctc_weight=usual.ctc_weight if ctc is None else ctc,
            ilm_weight=usual.ilm_weight if ilm is None else ilm,
            char_bonus=usual.char_bonus if char is None else char,
        )


def score(recognizer: GptAsrRecognizer, options: DecodingOptions, manifests: list[Path]) -> Scored:
    """Evaluate one setting on all sets."""
    recognizer.checkpoint = replace(recognizer.checkpoint, decoding=options)
    found = [evaluate(read_transcribed(manifest), recognizer) for manifest in manifests]
    seconds = sum(one.seconds for one in found)
    elapsed = sum(one.elapsed for one in found)
    return Scored(options, tuple(one.total.wer for one in found), seconds / elapsed)


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def main() -> None:
    """Read the command line, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint")
    parser.add_argument("manifests", nargs="+", type=Path)
    parser.add_argument("--beams", type=_numbers, default=[4])
    for name in ("ctc", "ilm", "char"):
        parser.add_argument(
            f"--{name}", type=_numbers, default=[None], help="the checkpoint's own by default"
        )
    given = parser.parse_args()
    recognizer = load_gptasr(given.checkpoint, "cpu")
    print("beams ctc ilm char ", *(manifest.stem for manifest in given.manifests), "mean RTFx")
    found = []
    for options in settings(recognizer.checkpoint.decoding, given):
        found.append(score(recognizer, options, given.manifests))
        print(found[-1], flush=True)
    best = min(found, key=lambda scored: scored.mean)
    near = [scored for scored in found if scored.mean <= best.mean + _TOLERANCE]
    print("best mean:", best)
    print("fastest near it:", max(near, key=lambda scored: scored.rtfx))


if __name__ == "__main__":
    main()
