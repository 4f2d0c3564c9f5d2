"""Corpora in one format: a manifest of clips that lie in audio shards."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gptasr_subs.errors import FormatError
from gptasr_subs.storage.files import read_text, write_atomically

MANIFEST_FILE = "manifest.tsv"  # of a corpus that is given as a folder
COLUMNS = ("file", "offset", "seconds", "speaker", "source", "licence", "text")


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance: ``seconds`` of ``file`` from ``offset``, spoken by ``speaker``, with its text.

    0 seconds reach to the end of the file.
    """

    file: Path
    offset: float = 0.0
    seconds: float = 0.0
    speaker: str = ""
    source: str = ""
    licence: str = ""
    text: str = ""


def read_clips(*manifests: Path) -> Iterator[Clip]:
    """As ``audio.read_manifests``, but 0 seconds where a manifest does not say them."""
    files = [(_manifest(manifest), read_rows(manifest)) for manifest in manifests]
    return (_clip(manifest, row) for manifest, rows in files for row in rows)


def read_rows(manifest: Path) -> Iterator[dict[str, str]]:
    """Lines of a tab-separated file with a header.

    Quotation marks are text. Raises ``FormatError``.
    """
    lines = io.StringIO(read_text(_manifest(manifest)), newline="")
    rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return ({name: value or "" for name, value in row.items() if name} for row in rows)


def write_manifest(manifest: Path, clips: Iterable[Clip]) -> None:
    """Write what ``audio.read_manifest`` reads.

    Files elsewhere than below its folder by full path.
    """
    lines = ["\t".join(COLUMNS), *("\t".join(_columns(manifest, clip)) for clip in clips)]
    write_atomically(manifest, "\n".join(lines) + "\n")


def _manifest(place: Path) -> Path:
    return place / MANIFEST_FILE if place.is_dir() else place


def _columns(manifest: Path, clip: Clip) -> tuple[str, ...]:
    below = clip.file.is_relative_to(manifest.parent)
    file = clip.file.relative_to(manifest.parent) if below else clip.file.absolute()
    place = file.as_posix(), f"{clip.offset:.6f}", f"{clip.seconds:.6f}"
    return *place, clip.speaker, clip.source, clip.licence, " ".join(clip.text.split())


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
