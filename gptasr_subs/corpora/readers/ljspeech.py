"""LJSpeech: ``metadata.csv`` (name, text, text with numbers in words) and ``wavs``. One reader.

Casing and punctuation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gptasr_subs.corpora.manifest import Clip
from gptasr_subs.corpora.readers.utterance import Utterance, first_folder
from gptasr_subs.storage.files import read_text


def read(root: Path, parts: Sequence[str]) -> Iterator[Utterance]:
    """Yield all utterances: there are no ``parts``."""
    folder = first_folder(root, "LJSpeech*", holding="metadata.csv")
    table = folder / "metadata.csv"
    for line in read_text(table).splitlines() if table.exists() else []:
        name, _, texts = line.partition("|")
        text = texts.rpartition("|")[2]
        yield Utterance(
            Clip(
                folder / "wavs" / f"{name}.wav",
                speaker="linda",
                source="ljspeech",
                licence="public domain",
                text=text,
            )
        )
