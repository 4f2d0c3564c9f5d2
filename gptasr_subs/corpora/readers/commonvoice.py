"""Common Voice: a table a part and ``clips/*.mp3``. Casing and punctuation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gptasr_subs.corpora.manifest import Clip, read_rows
from gptasr_subs.corpora.readers.utterance import Utterance, first_folder

_SPEAKER_LETTERS = 16  # of the 128 of a speaker's name; enough to tell them apart


def read(root: Path, parts: Sequence[str]) -> Iterator[Utterance]:
    """Yield utterances of parts of the English release: ``train``, or ``validated``, all of
    them.
    """
    folder = first_folder(root, "en", "*/en", holding="clips")
    for part in parts or ["train"]:
        table = folder / f"{part}.tsv"
        for row in read_rows(table) if table.exists() else []:
            file = folder / "clips" / row["path"]
            speaker = row["client_id"][:_SPEAKER_LETTERS]
            sentence = row["sentence"]
            # Some releases put quotation marks around a sentence that has some, and double those.
            if '""' in sentence and sentence.startswith('"') and sentence.endswith('"'):
                sentence = sentence[1:-1]
            text = sentence.replace('""', '"')
            yield Utterance(
                Clip(file, speaker=speaker, source="commonvoice", licence="CC0", text=text)
            )
