"""Biased and other words of a checkpoint by the size of the glossary and the bonus of its terms.

    python scripts/tune_glossary.py CHECKPOINT CLIPS.tsv LISTS.tsv --bonus 0.8,1.0 \\
        --distractors 0,100,500,2000

LISTS.tsv has a line for each clip: its path as in CLIPS.tsv, the words of a biasing list that are
said, and those that are not, both as JSON. Such lists are published for LibriSpeech
(facebookresearch/fbai-speech, is21_deep_bias). Each clip is recognised with a glossary of its own:
the words that are said, and as many others (distractors) as asked for, from other clips' lists
where its own are too few. The first line of the table is without a glossary.

The last lines are of one glossary for all clips, of ``--unsaid`` words that none of them says: what
it costs, and how often one of them is written all the same.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gptasr_subs.corpora.manifest import Clip, read_transcribed
from gptasr_subs.evaluation.biased import BiasedErrors, count_biased_errors
from gptasr_subs.evaluation.clips import transcribe_clips
from gptasr_subs.evaluation.wer import confidence_interval, normalize
from gptasr_subs.glossary.terms import Glossary, Term
from gptasr_subs.recognition.gptasr import GptAsrRecognizer
from gptasr_subs.recognition.loading import load_gptasr, with_glossary


@dataclass(frozen=True, slots=True)
class Lists:
    """The words of one clip's biasing list."""

    said: tuple[str, ...]
    others: tuple[str, ...]

    def words(self, distractors: int, pool: Sequence[str], seed: int) -> list[str]:
        """Those that are said and so many others, at first its own, then some of ``pool``."""
        others = list(self.others[:distractors])
        known = {*self.said, *self.others}
        more = [word for word in pool if word not in known]
        others += random.Random(seed).sample(more, distractors - len(others))
        return [*self.said, *others]


def read_lists(path: Path) -> dict[str, Lists]:
    """The biasing list of each clip, by its path."""
    lists = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            said = tuple(json.loads(row["biased"]))
            others = tuple(word for word in json.loads(row["distractors"]) if word not in said)
            lists[row["path"]] = Lists(said, others)
    return lists


def recognize(
    recognizer: GptAsrRecognizer, clips: Sequence[Clip], glossaries: Sequence[Collection[str]]
) -> tuple[list[str], float]:
    """The normalised text of each clip with its own glossary, and the CPU seconds it took."""
    texts = []
    elapsed = 0.0
    for clip, words in zip(clips, glossaries, strict=True):
        listening = with_glossary(recognizer, Glossary(tuple(map(Term, words))))
        began = time.process_time()
        (transcript,) = transcribe_clips([clip], listening)
        elapsed += time.process_time() - began
        texts.append(normalize(transcript.text))
    return texts, elapsed


def row(
    title: str,
    clips: Sequence[Clip],
    texts: Sequence[str],
    glossaries: Sequence[Collection[str]],
    elapsed: float,
) -> str:
    """A line of the table."""
    errors = [
        count_biased_errors(normalize(clip.text), text, set(words))
        for clip, text, words in zip(clips, texts, glossaries, strict=True)
    ]
    total = sum(errors, BiasedErrors())
    listed = confidence_interval([one.listed for one in errors])
    others = confidence_interval([one.others for one in errors])
    return (
        f"{title}  B-WER {total.listed.wer:5.1f} ({listed[0]:.1f} to {listed[1]:.1f})"
        f"  U-WER {total.others.wer:5.1f} ({others[0]:.1f} to {others[1]:.1f})"
        f"  false accepts {total.false_accepts}  {elapsed:.1f} s of CPU"
    )


def main() -> None:
    """Read the command line, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint")
    parser.add_argument("clips", type=Path)
    parser.add_argument("lists", type=Path)
    parser.add_argument("--bonus", default="", help="the checkpoint's own by default")
    parser.add_argument("--distractors", default="0,100,500,2000")
    parser.add_argument("--unsaid", type=int, default=1000)
    parser.add_argument("--first-pass", action="store_true", help="the search without the second")
    given = parser.parse_args()

    clips = read_transcribed(given.clips)
    by_path = read_lists(given.lists)
    lists = [by_path[clip.file.relative_to(given.clips.parent).as_posix()] for clip in clips]
    spoken = {word for clip in clips for word in normalize(clip.text).split()}
    pool = sorted({word for one in by_path.values() for word in one.others} - spoken)
    usual = load_gptasr(given.checkpoint, "cpu")
    decoding = usual.checkpoint.decoding

    nothing: list[list[str]] = [[] for _ in clips]
    said = [one.said for one in lists]
    recognize(usual, clips[:1], nothing[:1])  # so that what is loaded once is not counted
    texts, elapsed = recognize(usual, clips, nothing)
    print(row("bonus    -  distractors    -", clips, texts, said, elapsed), flush=True)
    for bonus in map(float, given.bonus.split(",") if given.bonus else [decoding.term_bonus]):
        options = replace(decoding, term_bonus=bonus, second_pass=not given.first_pass)
        recognizer = GptAsrRecognizer(replace(usual.checkpoint, decoding=options))
        for count in map(int, given.distractors.split(",")):
            glossaries = [one.words(count, pool, seed) for seed, one in enumerate(lists)]
            texts, elapsed = recognize(recognizer, clips, glossaries)
            title = f"bonus {bonus:4.2f}  distractors {count:4}"
            print(row(title, clips, texts, glossaries, elapsed), flush=True)
        unsaid = random.Random(0).sample(pool, given.unsaid)
        texts, elapsed = recognize(recognizer, clips, [unsaid] * len(clips))
        title = f"bonus {bonus:4.2f}  unsaid {len(unsaid):9}"
        print(row(title, clips, texts, [unsaid] * len(clips), elapsed), flush=True)


if __name__ == "__main__":
    main()
