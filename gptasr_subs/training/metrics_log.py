"""Metrics of a run over its steps: losses and scores in a file, and for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

METRICS_FILE = "curves.tsv"


class MetricsLog:
    """Adds points to ``curves.tsv`` (step, name, value) and to TensorBoard's log beside it."""

    def __init__(self, folder: Path, step: int = 0) -> None:
        """Resume at ``step``: what TensorBoard has of later steps, lost in a kill, is hidden."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / METRICS_FILE
        self._writer: Any = None
        with suppress(ImportError):  # TensorBoard is optional
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder), purge_step=step or None)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point of each metric."""
        # appended and never rewritten: after a kill a step may stand twice, and the last one counts
        with self._file.open("a", encoding="utf-8") as out:
            out.writelines(f"{step}\t{name}\t{value:.6g}\n" for name, value in values.items())
        if self._writer:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()

    def close(self) -> None:
        """Close TensorBoard's log, which ends its thread."""
        if self._writer:
            self._writer.close()


def last_points(folder: Path) -> dict[str, tuple[int, float]]:
    """Step and value of the last point of each metric logged in ``folder``."""
    if not (folder / METRICS_FILE).exists():
        return {}
    lines = (folder / METRICS_FILE).read_text(encoding="utf-8").splitlines()
    points = (line.split("\t") for line in lines)
    return {name: (int(step), float(value)) for step, name, value in points}
