"""How far the work is: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from gptasr_subs.cli.console import clock, echo_error
from gptasr_subs.storage.files import MIB

Update = Callable[[float, float | None], None]  # how much is done, and of how much where known
Place = Callable[[float, float | None], str]  # the same in words

_LABEL_CHARS = 22
_LINE_SECONDS = 5.0  # between two lines at least ...
_LINE_SHARE = 0.1  # ... and no line for less of the work than this


@contextmanager
def progress(label: str, place: Place, quiet: bool) -> Iterator[Update]:
    """Yield the function to call at every step; it shows nothing where ``quiet``."""
    if quiet:
        yield lambda done, total: None
        return
    if not sys.stderr.isatty():
        yield _Lines(label, place)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(14),
        TextColumn("{task.fields[place]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        # shortened, so that a line of a terminal has room for the rest
        name = label if len(label) <= _LABEL_CHARS else f"{label[: _LABEL_CHARS - 3]}..."
        task = bar.add_task(name, total=None, place="")
        yield lambda done, total: bar.update(
            task, completed=done, total=total, place=place(done, total)
        )


@contextmanager
def stages(
    label: str, make_place: Callable[[], Place], quiet: bool
) -> Iterator[Callable[[float, float, str], None]]:
    """As ``progress``, for stages: takes the stage's name too, and starts anew with each."""
    with ExitStack() as stack:
        updates: dict[str, Update] = {}

        def update(done: float, total: float, stage: str) -> None:
            if stage not in updates:
                stack.close()
                title = f"{label}, {stage}" if stage else label
                updates[stage] = stack.enter_context(progress(title, make_place(), quiet))
            updates[stage](done, total)

        yield update


def place_in_media() -> Place:
    """``00:12:31 / 01:40:00, 35.1 x real time``, counting from now."""
    began = time.monotonic()

    def place(done: float, total: float | None) -> str:
        speed = done / max(time.monotonic() - began, 1e-3)
        return f"{_of(clock(done), clock(total) if total else None)}, {speed:.1f} x real time"

    return place


def place_in_files(done: float, total: float | None) -> str:
    """``12 / 50 files``."""
    return _of(str(int(done)), f"{int(total)} files" if total else None)


def place_in_bytes(done: float, total: float | None) -> str:
    """``12.3 / 80.0 MiB``."""
    return _of(f"{done / MIB:.1f}", f"{total / MIB:.1f}" if total else None) + " MiB"


def _of(done: str, total: str | None) -> str:
    return f"{done} / {total}" if total else done


class _Lines:
    def __init__(self, label: str, place: Place) -> None:
        self._label = label
        self._place = place
        self._last_line = time.monotonic()
        self._share = 0.0

    def __call__(self, done: float, total: float | None) -> None:
        share = done / total if total else 1.0
        now = time.monotonic()
        if now - self._last_line >= _LINE_SECONDS and (
            share - self._share >= _LINE_SHARE or not total
        ):
            self._last_line = now
            self._share = share
            echo_error(f"{self._label}: {self._place(done, total)}")
