"""Hi-Fi TTS: a list of JSON objects for each reader, quality and part.

Casing and punctuation, numbers in words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from gptasr_subs.corpora.manifest import Clip
from gptasr_subs.corpora.readers.utterance import Utterance, first_folder, is_wanted
from gptasr_subs.storage.files import read_text


def read(root: Path, parts: Sequence[str]) -> Iterator[Utterance]:
    """Yield utterances of the parts (``train``) of all readers, clean and other."""
    folder = first_folder(root, "hi_fi_tts*", holding="*_manifest_*.json")
    for table in sorted(folder.glob("*_manifest_*.json")):
        speaker, *_, part = table.stem.split("_")
        if is_wanted(part, parts):
            for row in map(json.loads, filter(str.strip, read_text(table).splitlines())):
                file = folder / row["audio_filepath"]
                text = row.get("text_normalized") or row["text"]
                yield Utterance(
                    Clip(file, speaker=speaker, source="hifitts", licence="CC BY 4.0", text=text)
                )
