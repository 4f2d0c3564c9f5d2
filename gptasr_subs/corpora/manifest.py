"""Corpora in one format: a manifest of clips that lie in audio shards."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gptasr_subs.errors import FormatError
from gptasr_subs.storage.files import read_text

MANIFEST_FILE = "manifest.tsv"  # of a corpus that is given as a folder
COLUMNS = ("file", "offset", "seconds", "speaker", "source", "licence", "text")


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance: ``seconds`` of ``file`` from ``offset``, spoken by ``speaker``, with its text.

    With 0 seconds it lasts to the end of the file.
    """

    file: Path
    offset: float = 0.0
    seconds: float = 0.0
    speaker: str = ""
    source: str = ""
    licence: str = ""
    text: str = ""


def read_clips(*manifests: Path) -> Iterator[Clip]:
    """Read manifests one after the other; a folder stands for the ``manifest.tsv`` in it.

    Files are relative to the manifest's folder. 0 seconds where a manifest does not say them, and
    its own name as source. Raises ``FormatError``.
    """
    files = [(_manifest(manifest), read_rows(manifest)) for manifest in manifests]
    return (_clip(manifest, row) for manifest, rows in files for row in rows)


def read_transcribed(manifest: Path) -> list[Clip]:
    """Read as ``read_clips`` does, but refuse what has no column ``text`` or no clips."""
    rows = read_rows(manifest, columns=("text",))
    clips = [_clip(_manifest(manifest), row) for row in rows]
    if not clips:
        raise FormatError(
            f"{str(manifest)!r} lists no clips; add a line for each clip below the header."
        )
    return clips


def read_rows(manifest: Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """Read the lines of a tab-separated file with a header, in which quotation marks are text.

    Raises ``FormatError``, also where the header lacks one of ``columns``.
    """
    manifest = _manifest(manifest)
    lines = io.StringIO(read_text(manifest), newline="")
    rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    header = next(rows, [])
    for column in columns:
        if column not in header:
            raise FormatError(
                f"{str(manifest)!r} has no column {column!r}; its first line must name the columns."
            )
    found = []
    for row in filter(None, rows):
        if len(row) != len(header):
            line = f"line {rows.line_num} has {len(row)} columns instead of {len(header)}"
            raise FormatError(f"{str(manifest)!r}: {line}; columns are separated by single tabs.")
        found.append(dict(zip(header, row, strict=True)))
    return found


def _manifest(place: Path) -> Path:
    return place / MANIFEST_FILE if place.is_dir() else place


def _clip(manifest: Path, row: dict[str, str]) -> Clip:
    name = row.get("file") or row.get("path")
    if not name:
        raise FormatError(
            f"A line of {manifest} names no file; give it a header with a column file or path."
        )
    file = manifest.parent / name
    try:
        offset = float(row.get("offset") or 0)
        seconds = float(row.get("seconds") or 0)
    except ValueError as error:
        raise FormatError(
            f"{manifest} has an offset or a length that is no number ({error}); correct it."
        ) from error
    source = row.get("source") or manifest.stem
    return Clip(
        file,
        offset=offset,
        seconds=seconds,
        speaker=row.get("speaker", ""),
        source=source,
        licence=row.get("licence", ""),
        text=row.get("text", ""),
    )
