"""Readers of public corpora, one file a layout: what is said where, by whom, under which licence.

A reader looks at tables and transcripts only, never at audio. Another layout is another file, and a
line below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gptasr_subs.corpora.readers import (
    commonvoice,
    hifitts,
    librispeech,
    libritts,
    ljspeech,
    tedlium,
    tsv,
    voxforge,
    voxpopuli,
)
from gptasr_subs.corpora.readers.utterance import Utterance

Read = Callable[[Path, Sequence[str]], Iterator[Utterance]]


class Layout(NamedTuple):
    """How a corpus is read, and what its folder holds."""

    read: Read
    holds: str


LAYOUTS: dict[str, Layout] = {
    "commonvoice": Layout(
        commonvoice.read, "train.tsv, dev.tsv, test.tsv, validated.tsv and clips/"
    ),
    "hifitts": Layout(hifitts.read, "92_manifest_clean_train.json and its like, and audio/"),
    "librispeech": Layout(librispeech.read, "PART/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt"),
    "libritts": Layout(libritts.read, "PART/SPEAKER/CHAPTER/*.normalized.txt"),
    "ljspeech": Layout(ljspeech.read, "metadata.csv and wavs/"),
    "tedlium": Layout(tedlium.read, "legacy/PART/stm and legacy/PART/sph"),
    "tsv": Layout(tsv.read, "manifest.tsv with the columns file and text"),
    "voxforge": Layout(voxforge.read, "sessions with etc/PROMPTS and wav/ or flac/"),
    "voxpopuli": Layout(voxpopuli.read, "transcribed_data/en/asr_train.tsv and its like"),
}
