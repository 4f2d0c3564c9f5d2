"""What every reader yields, and what several of them ask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gptasr_subs.corpora.manifest import Clip


class Utterance(NamedTuple):
    """A clip as its corpus names it: with 0 ``seconds`` it lasts to the end of the file.

    ``unfit`` is why nothing can be learned from it, where the corpus says so.
    """

    clip: Clip
    unfit: str = ""


def is_wanted(part: str, parts: Sequence[str]) -> bool:
    """Return whether to read ``part``: one of ``parts``, or else all but what is set aside for
    scoring.
    """
    return part in parts if parts else not part.startswith(("dev", "test"))


def part_above(file: Path, root: Path, depth: int) -> str:
    """Return the name of the folder ``depth`` above ``file``, as far as it lies below ``root``.

    Else nothing.
    """
    names = file.relative_to(root).parts[:-1]
    return names[-depth] if len(names) >= depth else ""


def first_folder(root: Path, *below: str, holding: str) -> Path:
    """Return the first of ``root`` and its folders ``below`` that holds a file like ``holding``."""
    folders = [root, *(found for pattern in below for found in sorted(root.glob(pattern)))]
    return next((folder for folder in folders if any(folder.glob(holding))), root)
