"""Whatever has a manifest: a tab-separated table of files and texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gptasr_subs.corpora.manifest import read_clips
from gptasr_subs.corpora.readers.utterance import Utterance


def read(root: Path, parts: Sequence[str]) -> Iterator[Utterance]:
    """Return clips of the manifest ``root``, or of ``manifest.tsv`` in it.

    ``parts`` are the sources wanted.
    """
    return (Utterance(clip) for clip in read_clips(root) if not parts or clip.source in parts)
