"""Sentences with names of a cast, read by synthesisers, recognised without and with the list.

    python scripts/cast_sentences.py CHECKPOINT --voices hibari,flite-slt,flite-rms

The roles are of old novels, and stand in a .nfo file as media centres write them. Each voice reads
all sentences. Prints, as Markdown, how many names come out right, by voice and by name. A name is
right where all its words stand in the text in their order.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gptasr_subs.corpora.synthesis import finish_clip
from gptasr_subs.corpora.voices import find_voices
from gptasr_subs.evaluation.wer import normalize
from gptasr_subs.glossary.cast import read_cast
from gptasr_subs.recognition.gptasr import load_gptasr
from gptasr_subs.recognition.loading import with_glossary
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.types import FloatArray

# Name, and what is said of it.
SENTENCES = (
    ("Lestrade", "Tell Lestrade that we shall wait for him at the bridge."),
    ("Moriarty", "Nobody has seen Moriarty since the train left the station."),
    ("Queequeg", "In the morning Queequeg carried the boat down to the water."),
    ("Raskolnikov", "The old woman opened the door and Raskolnikov stepped inside."),
    ("Javert", "If Javert finds the letter, we are lost."),
    ("Cosette", "Her mother sent Cosette to fetch water in the dark."),
    ("Dulcinea", "He promised Dulcinea a castle and a crown."),
    ("Havisham", "Every clock in the house of Miss Havisham had stopped."),
    ("Quasimodo", "All the children were afraid of Quasimodo and his bells."),
    ("Passepartout", "Without a word Passepartout packed the bag and closed the door."),
    ("Bolkonsky", "At the ball Bolkonsky asked her for a dance."),
    ("Casaubon", "She married Casaubon because she wanted to learn."),
    ("Svengali", "When Svengali played, the whole room was silent."),
    ("Dimmesdale", "People said that Dimmesdale had grown thin and pale."),
    ("Aronnax", "The captain showed Aronnax a forest under the sea."),
    ("Quatermain", "They asked Quatermain to lead them across the desert."),
    ("Renfield", "Last night Renfield escaped through the window again."),
    ("Esmeralda", "The crowd made room, and Esmeralda began to dance."),
    ("Rochester", "One evening Rochester fell from his horse on the ice."),
    ("Eponine", "It was Eponine who brought him the message."),
)


def write_nfo(media: Path) -> None:
    """The cast of ``media``, beside it."""
    actors = "".join(f"<actor><role>{name}</role></actor>" for name, _ in SENTENCES)
    media.with_suffix(".nfo").write_text(f"<movie>{actors}</movie>", encoding="utf-8")


def texts_of(recognizer: Recognizer, clips: Sequence[FloatArray]) -> list[str]:
    """What is recognised in each clip."""
    found = dict(recognizer.transcribe(clips))
    return [" ".join(word.text for word in found[index]) for index in range(len(clips))]


def main() -> None:
    """Read the command line, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint")
    parser.add_argument("--voices", default="hibari,flite-slt,flite-rms,flite-awb,flite-kal")
    parser.add_argument("--texts", action="store_true", help="print what was recognised, too")
    given = parser.parse_args()

    plain = load_gptasr(given.checkpoint, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        media = Path(folder, "film.mkv")
        write_nfo(media)
        listening = with_glossary(plain, read_cast(media))
    rights: list[list[tuple[bool, bool]]] = []  # by voice and sentence: without, with the list
    print("| voice | right without the list | right with it |")
    print("|---|---|---|")
    voices = given.voices.split(",")
    for name in voices:
        (voice,) = find_voices([name])
        rng = np.random.default_rng(1)
        clips = [finish_clip(*voice.speak(text, rng), rng) for _, text in SENTENCES]
        without = texts_of(plain, clips)
        with_list = texts_of(listening, clips)
        right = []
        for (term, said), *texts in zip(SENTENCES, without, with_list, strict=True):
            name_in = [normalize(term) in normalize(text).split() for text in texts]
            right.append((name_in[0], name_in[1]))
            if given.texts:
                print(f"{said}\n  {texts[0]}\n  {texts[1]}")
        rights.append(right)
        before, after = (sum(pair[index] for pair in right) for index in (0, 1))
        print(f"| {name} | {before} of {len(right)} | {after} of {len(right)} |", flush=True)
    print(f"\n| name | voices that are right without the list | with it, of {len(voices)} |")
    print("|---|---|---|")
    for number, (term, _) in enumerate(SENTENCES):
        counts = [sum(right[number][index] for right in rights) for index in (0, 1)]
        print(f"| {term} | {counts[0]} | {counts[1]} |")


if __name__ == "__main__":
    main()
