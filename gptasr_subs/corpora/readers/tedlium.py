"""TED-LIUM 3: talks as SPH files, cut by STM tables. Lower case without punctuation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from gptasr_subs.corpora.manifest import Clip
from gptasr_subs.corpora.readers.utterance import Utterance, first_folder, is_wanted, part_above
from gptasr_subs.storage.files import read_text

_LICENCE = "CC BY-NC-ND 3.0"
_NOISE = re.compile(r"\{[A-Z_]+\}|<sil>|\(\d+\)")  # breaths, silences, numbers of pronunciations
_SUFFIX = re.compile(r" '(s|m|re|ve|ll|d|t)\b")  # stands apart: it 's
_LABEL = re.compile(r"\s*<(?!unk>|sil>)[^>]*>")
_UNWRITTEN = {"<unk>": "unknown word", "ignore_time_segment_in_scoring": "not transcribed"}


def read(root: Path, parts: Sequence[str]) -> Iterator[Utterance]:
    """Segments of the parts (``train``) of the release, as the folder ``legacy`` has them."""
    folder = first_folder(root, "legacy", "*/legacy", holding="*/stm")
    for table in sorted([*folder.glob("*/stm/*.stm"), *folder.glob("stm/*.stm")]):
        if not is_wanted(part_above(table, folder, 2), parts):
            continue
        for line in read_text(table).splitlines():
            if not line.strip() or line.startswith(";;"):
                continue
            # File, channel, speaker, start, end, a label in angle brackets, and the text
            name, _, speaker, start, end, *rest = line.split(None, 5)
            text = "".join(rest)
            text = text[label.end() :] if (label := _LABEL.match(text)) else text
            unfit = next((reason for mark, reason in _UNWRITTEN.items() if mark in text), "")
            yield Utterance(
                Clip(
                    table.parents[1] / "sph" / f"{name}.sph",
                    offset=float(start),
                    seconds=float(end) - float(start),
                    speaker=speaker,
                    source="tedlium",
                    licence=_LICENCE,
                    text=_SUFFIX.sub(r"'\1", " ".join(_NOISE.sub(" ", text).split())),
                ),
                unfit,
            )
