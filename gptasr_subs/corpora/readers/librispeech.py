"""LibriSpeech: FLAC files and a ``.trans.txt`` in PART/SPEAKER/CHAPTER.

Capital letters without punctuation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gptasr_subs.corpora.manifest import Clip
from gptasr_subs.corpora.readers.utterance import Utterance, is_wanted, part_above
from gptasr_subs.storage.files import read_text


def read(root: Path, parts: Sequence[str]) -> Iterator[Utterance]:
    """Yield utterances of the parts (``train-clean-100``) below ``root``."""
    for transcript in sorted(root.rglob("*.trans.txt")):
        if not is_wanted(part_above(transcript, root, 3), parts):
            continue
        for line in filter(str.strip, read_text(transcript).splitlines()):
            name, _, text = line.partition(" ")
            file = transcript.with_name(f"{name}.flac")
            yield Utterance(
                Clip(
                    file,
                    speaker=name.partition("-")[0],
                    source="librispeech",
                    licence="CC BY 4.0",
                    text=text,
                )
            )
