"""LibriTTS and LibriTTS-R: ``NAME.wav`` and ``NAME.normalized.txt`` in PART/SPEAKER/CHAPTER.

Casing, punctuation, no digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gptasr_subs.corpora.manifest import Clip
from gptasr_subs.corpora.readers.utterance import Utterance, is_wanted, part_above
from gptasr_subs.storage.files import read_text

_ENDING = ".normalized.txt"


def read(root: Path, parts: Sequence[str]) -> Iterator[Utterance]:
    """Yield utterances of the parts (``train-clean-100``) below ``root``."""
    for transcript in sorted(root.rglob(f"*{_ENDING}")):
        if is_wanted(part_above(transcript, root, 3), parts):
            file = transcript.with_name(transcript.name.removesuffix(_ENDING) + ".wav")
            speaker = transcript.parents[1].name
            yield Utterance(
                Clip(
                    file,
                    speaker=speaker,
                    source="libritts",
                    licence="CC BY 4.0",
                    text=read_text(transcript),
                )
            )
