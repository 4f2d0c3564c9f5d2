"""How soon the review queue finds wrong words, against listening in order; needs known texts.

    python benchmarks/review.py --fit --plot docs/images/review.svg \\
        --film talk.mkv talk.truth.json \\
        --clips librispeech-other.tsv 50 --clips common-voice.tsv 150

A truth file is JSON with a list "speech" of objects with a "text", in order. Clips are those of a
manifest (``path``, ``text``), one after the other as if they were one film. Wrong words are those
that the alignment of ``gptasr-subs evaluate`` finds; a missing word counts where the next one
stands. Only the words of a stop count as heard, and only their errors as found, not those in the
second around them. ``--fit`` prints the slope and the offset that calibrate confidence best.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jiwer
import numpy as np

from gptasr_subs.corpora.manifest import read_transcribed
from gptasr_subs.evaluation.wer import normalize
from gptasr_subs.media.decode import decode_audio
from gptasr_subs.pipeline.recognize import recognize_file, transcribe
from gptasr_subs.recognition.loading import load_model, with_readings
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.server.page.review import plan_review
from gptasr_subs.types import Span, Word

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)  # of all words, at which the curves are printed

WIDTH, HEIGHT = 640, 420  # of the drawing, and its margins
LEFT, RIGHT, TOP, BOTTOM = 56, 28, 32, 48
COLOURS = ("#0b6e99", "#b3541e", "#4f7d20", "#7a3e9d")


@dataclass(frozen=True)
class Known:
    """Recognised words, and how many errors stand at each of them: shape (n_words,).

    ``mended`` are the words that one of their readings would put right.
    """

    name: str
    words: list[Word]
    errors: np.ndarray
    mended: int


def main() -> None:
    """Recognise, review, print and plot."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--film", nargs=2, action="append", default=[], metavar=("FILM", "TRUTH"))
    parser.add_argument("--clips", nargs=2, action="append", default=[], metavar=("TSV", "COUNT"))
    parser.add_argument("--model", default="default")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    model = with_readings(load_model(options.model))
    known = [read_film(Path(film), Path(truth), model) for film, truth in options.film]
    known += [read_manifest(Path(tsv), int(count), model) for tsv, count in options.clips]
    if options.fit:
        print("slope {:.2f}, offset {:.2f}".format(*fit(known)))
    curves = []
    for one in known:
        curves.append((one.name, review_curve(one)))
        describe(one, curves[-1][1])
    if options.plot:
        options.plot.write_text(svg(curves), encoding="utf-8")


def read_film(film: Path, truth: Path, model: Recognizer) -> Known:
    """A film whose text is known."""
    said = [part["text"] for part in json.loads(truth.read_text())["speech"]]
    words = list(recognize_file(film, model).words)
    errors, mended = errors_of(words, " ".join(said))
    return Known(film.name, words, errors, mended)


def read_manifest(manifest: Path, count: int, model: Recognizer) -> Known:
    """Clips one after the other."""
    words: list[Word] = []
    errors: list[np.ndarray] = []
    mended = 0
    at = 0.0
    for clip in read_transcribed(manifest)[:count]:
        audio = decode_audio(clip.file, sample_rate=model.sample_rate)
        seconds = len(audio) / model.sample_rate
        middle = seconds / 2 if seconds > model.max_seconds else seconds
        spans = (
            [Span(0.0, middle), Span(middle, seconds)] if middle < seconds else [Span(0, seconds)]
        )
        found = transcribe(model, audio, spans)
        wrong, right = errors_of(found, clip.text)
        errors.append(wrong)
        mended += right
        words += [replace(word, start=at + word.start, end=at + word.end) for word in found]
        at += seconds
    return Known(manifest.stem, words, np.concatenate(errors), mended)


def errors_of(words: Sequence[Word], said: str) -> tuple[np.ndarray, int]:
    """Errors at each word (n_words,), and how many substituted words have the right reading."""
    errors = np.zeros(len(words), int)
    parts = [
        (number, part) for number, word in enumerate(words) for part in normalize(word.text).split()
    ]
    if not parts:
        return errors, 0
    owners = [number for number, _ in parts]
    spoken = normalize(said).split()
    mended = 0
    for chunk in jiwer.process_words(
        " ".join(spoken), " ".join(part for _, part in parts)
    ).alignments[0]:
        if chunk.type == "delete":
            place = min(chunk.hyp_start_idx, len(owners) - 1)
            errors[owners[place]] += chunk.ref_end_idx - chunk.ref_start_idx
        elif chunk.type != "equal":
            for place in range(chunk.hyp_start_idx, chunk.hyp_end_idx):
                errors[owners[place]] += 1
                if chunk.type == "substitute":
                    right = spoken[chunk.ref_start_idx + place - chunk.hyp_start_idx]
                    mended += right in map(normalize, words[owners[place]].readings)
    return errors, mended


def review_curve(known: Known) -> np.ndarray:
    """Shares (heard, found, found in order) after each stop, shape (n_stops + 1, 3)."""
    total = max(1, known.errors.sum())
    in_order = np.concatenate([[0], known.errors.cumsum()]) / total
    heard = np.zeros(len(known.words), bool)
    points = [(0.0, 0.0, 0.0)]
    for stop in plan_review(known.words).stops:
        heard[stop.first : stop.last + 1] = True
        points.append((heard.mean(), known.errors[heard].sum() / total, in_order[heard.sum()]))
    return np.array(points)


def at_share(curve: np.ndarray, share: float) -> np.ndarray:
    """Found by the queue and in order once ``share`` of the words is heard."""
    return np.array([np.interp(share, curve[:, 0], curve[:, column]) for column in (1, 2)])


def describe(known: Known, curve: np.ndarray) -> None:
    """Print what was found."""
    review = plan_review(known.words)
    total = int(known.errors.sum())
    print(
        f"{known.name}: {len(known.words)} words, {total} errors, {review.expected:.1f} expected,"
    )
    print(f"  {known.mended} of {int((known.errors > 0).sum())} wrong words have the right reading")
    for share in SHARES:
        found, in_order = at_share(curve, share)
        print(f"  {share:4.0%} heard: {found:4.0%} of the errors, in order {in_order:4.0%}")


def svg(curves: Sequence[tuple[str, np.ndarray]]) -> str:
    """A drawing of what the queue finds (lines) against reading in order (dashes)."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family='
        '"sans-serif" font-size="13" fill="#333">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for tick in range(0, 101, 20):
        x, y = place(tick / 100, tick / 100)
        parts += [
            f'<path d="M{x:.0f} {TOP} V{HEIGHT - BOTTOM} M{LEFT} {y:.0f} H{WIDTH - RIGHT}" '
            'stroke="#ddd"/>',
            f'<text x="{x:.0f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick} %</text>',
            f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{tick} %</text>',
        ]
    for number, (name, curve) in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        for column, dashes in ((1, ""), (2, ' stroke-dasharray="3 4" stroke-opacity="0.6"')):
            points = (place(heard, found) for heard, found in curve[:, [0, column]])
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(
                f'<polyline points="{line}" stroke="{colour}" fill="none" stroke-width="2"'
                f"{dashes}/>"
            )
        y = HEIGHT - BOTTOM - 14 - 20 * (len(curves) - 1 - number)
        parts.append(
            f'<text x="{WIDTH - RIGHT - 8}" y="{y}" text-anchor="end" fill="{colour}">{name}</text>'
        )
    x, y = place(0.5, 0.0)
    parts += [
        f'<text x="{x:.0f}" y="{HEIGHT - 8}" text-anchor="middle">words heard</text>',
        f'<text x="14" y="{TOP - 10}">errors found: by the queue (lines), in order (dots)</text>',
        "</svg>\n",
    ]
    return "\n".join(parts)


def place(heard: float, found: float) -> tuple[float, float]:
    """Where a point lies in the drawing."""
    return LEFT + heard * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - found * (HEIGHT - TOP - BOTTOM)


def fit(known: Iterable[Known]) -> tuple[float, float]:
    """Slope a and offset b of P(wrong) = 1 / (1 + exp(a logit(c) + b)), by Newton's method."""
    pairs = [pair for one in known for pair in zip(one.words, one.errors > 0, strict=True)]
    sure = np.clip([word.confidence for word, _ in pairs], 1e-3, 1 - 1e-3)
    inputs = np.stack([np.log(sure / (1 - sure)), np.ones(len(pairs))], 1)
    wrong = np.array([is_wrong for _, is_wrong in pairs], float)
    weights = np.zeros(2)
    for _ in range(30):
        chance = 1 / (1 + np.exp(inputs @ weights))
        slope = inputs.T @ (chance - wrong)
        curvature = (inputs * (chance * (1 - chance))[:, None]).T @ inputs
        weights += np.linalg.solve(curvature, slope)
    return float(weights[0]), float(weights[1])


if __name__ == "__main__":
    main()
