"""FLAC shards in which clips lie one after the other, and the tables that name them.

It can be read while it grows, and an interrupted writer resumes behind the last shard of the
manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from gptasr_subs.corpora.manifest import COLUMNS
from gptasr_subs.storage.files import cut_torn_line
from gptasr_subs.types import FloatArray

Row = tuple[str, ...]


def open_table(file: Path, columns: Sequence[str] = COLUMNS) -> Path:
    """Begin a tab-separated ``file``.

    Of one that is there, a last line that a kill cut off is removed.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if not cut_torn_line(file):
        file.write_text("\t".join(columns) + "\n", encoding="utf-8")
    return file


def add_rows(file: Path, rows: Iterable[Row]) -> None:
    """One write for all ``rows``, so that processes do not write into one another's lines."""
    with file.open("a", encoding="utf-8") as out:
        out.write("".join("\t".join(row) + "\n" for row in rows))


def write_shard(file: Path, clips: Sequence[FloatArray], rate: int) -> None:
    """Write ``clips`` (n_samples,) one after the other, as 16-bit FLAC at ``rate`` Hz.

    Whole or not at all.
    """
    import soundfile

    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".tmp")
    soundfile.write(temporary, np.concatenate(clips), rate, format="FLAC", subtype="PCM_16")
    temporary.replace(file)
