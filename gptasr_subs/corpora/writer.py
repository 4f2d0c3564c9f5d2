"""A corpus that is made batch by batch and can be resumed: what is in it, what was dropped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gptasr_subs.corpora.audio import origin
from gptasr_subs.corpora.manifest import COLUMNS, MANIFEST_FILE, Clip, read_clips, read_rows
from gptasr_subs.corpora.report import Report
from gptasr_subs.corpora.shards import Row, add_rows, open_table
from gptasr_subs.errors import UsageError

DROPPED_FILE = "dropped.tsv"

_ORIGIN = "origin"  # column that says where a clip was found: by it is known what is there already
_DROPPED_COLUMNS = (_ORIGIN, "source", "seconds", "reason")


class CorpusWriter:
    """``manifest.tsv`` and ``dropped.tsv`` in one folder.

    ``known`` are the origins of all clips in either.
    """

    def __init__(self, folder: Path, made_of: Path, columns: Sequence[str] = ()) -> None:
        """Begin, or resume; ``columns`` are more ones of the manifest, behind the usual ones.

        Raises ``UsageError`` where ``made_of``, what the corpus is made of, lies in the same
        folder.
        """
        if folder.resolve() in (made_of.resolve(), made_of.resolve().parent):
            raise UsageError(f"{folder} is the corpus itself; give another folder to --out.")
        self.folder = folder
        self.manifest = folder / MANIFEST_FILE
        self._dropped = folder / DROPPED_FILE
        self._columns = {
            self.manifest: (*COLUMNS, _ORIGIN, *columns),
            self._dropped: _DROPPED_COLUMNS,
        }
        self.begun = self.manifest.exists()
        if self.begun:
            self._open()
        self.known = {
            row.get(_ORIGIN, "")
            for table in self._columns
            if self.begun
            for row in read_rows(table)
        }

    def _open(self) -> None:
        for table, columns in self._columns.items():
            open_table(table, columns)
        self.begun = True

    def add(self, kept: Iterable[Row], dropped: Iterable[tuple[Clip, str]]) -> None:
        """Rows of the manifest, and clips with the reason why they are not in it.

        The first ones make the folder.
        """
        if not self.begun:
            self._open()
        add_rows(self.manifest, kept)
        add_rows(
            self._dropped,
            (
                (origin(clip), clip.source, f"{clip.seconds:.3f}", reason)
                for clip, reason in dropped
            ),
        )

    def report(self) -> Report:
        """On everything in the folder, and left there.

        ``UsageError`` where nothing has ever been added.
        """
        if not self.begun:
            raise UsageError(
                f"There are no clips to put into {self.folder}; look at what it is to be made of."
            )
        report = Report(list(read_clips(self.manifest)))
        for row in read_rows(self._dropped):
            clip = Clip(Path(row[_ORIGIN]), seconds=float(row["seconds"]), source=row["source"])
            report.dropped.append((clip, row["reason"]))
        report.write(self.folder)
        return report


def manifest_row(file: str, offset: float, clip: Clip, found_in: Clip) -> Row:
    """Return columns of ``clip`` where its audio lies now, and where that was found."""
    words = (
        " ".join(text.split()) for text in (clip.speaker, clip.source, clip.licence, clip.text)
    )
    return file, f"{offset:.6f}", f"{clip.seconds:.6f}", *words, origin(found_in)
