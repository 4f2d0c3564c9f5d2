"""Losses and scores over the steps of a run: in a file, and for TensorBoard where installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

CURVES_FILE = "curves.tsv"


class Curves:
    """Adds points to ``curves.tsv`` (step, name, value) and to TensorBoard's log beside it."""

    def __init__(self, folder: Path, step: int = 0) -> None:
        """Go on at ``step``: what TensorBoard has of later steps, lost in a kill, is hidden."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / CURVES_FILE
        self._writer = _tensorboard(folder, step)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """One point of each curve."""
        with self._file.open("a", encoding="utf-8") as out:
            out.writelines(f"{step}\t{name}\t{value:.6g}\n" for name, value in values.items())
        if self._writer:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()

    def close(self) -> None:
        """End TensorBoard's own thread."""
        if self._writer:
            self._writer.close()


def last_points(folder: Path) -> dict[str, tuple[int, float]]:
    """Step and value of the last point of each curve in ``folder``; empty without curves."""
    if not (folder / CURVES_FILE).exists():
        return {}
    lines = (
        line.split("\t") for line in (folder / CURVES_FILE).read_text(encoding="utf-8").splitlines()
    )
    return {name: (int(step), float(value)) for step, name, value in lines}


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step or None)
