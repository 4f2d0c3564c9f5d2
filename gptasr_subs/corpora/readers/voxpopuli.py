"""VoxPopuli, transcribed: ``asr_PART.tsv`` and ``YEAR/ID.ogg``.

Casing and punctuation where the minutes have them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gptasr_subs.corpora.manifest import Clip, read_rows
from gptasr_subs.corpora.readers.utterance import Utterance, first_folder


def read(root: Path, parts: Sequence[str]) -> Iterator[Utterance]:
    """Yield utterances of the parts (``train``) in English."""
    folder = first_folder(root, "en", "transcribed_data/en", holding="asr_*.tsv")
    for part in parts or ["train"]:
        table = folder / f"asr_{part}.tsv"
        for row in read_rows(table) if table.exists() else []:
            name = row.get("id") or row.get("id_", "")
            text = row.get("raw_text") or row.get("normalized_text", "")
            file = folder / name[:4] / f"{name}.ogg"
            speaker = row.get("speaker_id", "")
            yield Utterance(
                Clip(file, speaker=speaker, source="voxpopuli", licence="CC0", text=text)
            )
