"""How far a farm is: a table on a terminal, now and then a line elsewhere; and what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptasr_subs.cli.console import clock, display_path, echo_error, table
from gptasr_subs.errors import plural

if TYPE_CHECKING:
    from gptasr_subs.farm.collection import Collected
    from gptasr_subs.farm.manifest import Entry, Manifest
    from gptasr_subs.farm.tally import Tally
    from gptasr_subs.jobs.hooks import Event
    from gptasr_subs.jobs.queue import Job

_TERMINAL_SECONDS = 0.5  # between two pictures
_LINE_SECONDS = 30.0  # between two lines
_ROWS = 8  # nodes and reasons shown at most


class Display:
    """Counts films as they are over and shows how far it is, on stderr."""

    def __init__(self, manifest: Manifest, todo: Collected, quiet: bool) -> None:
        """``todo`` is what is to be done; ``quiet``: show only what failed."""
        from gptasr_subs.farm.tally import Tally

        self.tally = Tally()
        self._manifest = manifest
        self._todo = todo
        self._over = 0.0  # seconds of the films that are over, by the same guess
        self._quiet = quiet
        self._began = time.monotonic()
        self._shown = self._began
        self._live: Any = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show it in the block."""
        if self._quiet or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console
        from rich.live import Live

        with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as self._live:
            yield
        self._live = None

    def report(self, job: Job, event: Event) -> None:
        """Count a film in; one that failed is said."""
        self._over += job.priority
        entry = self._manifest.add(job, event)
        self.tally.add(entry)
        if entry.outcome == "failed":
            echo_error(_named(entry.reason, job.path))
        self.refresh()

    def refresh(self) -> bool:
        """Show how far it is, if that was long ago; True, for no more films will come."""
        now = time.monotonic()
        if self._live and now - self._shown >= _TERMINAL_SECONDS:
            from rich.console import Group
            from rich.progress_bar import ProgressBar
            from rich.text import Text

            self._shown = now
            bar = ProgressBar(total=max(self._todo.films, 1), completed=self.tally.films, width=40)
            counts = Text(_nodes(self.tally) + _reasons(self.tally))
            self._live.update(Group(Text(self.line()), bar, counts), refresh=True)
        elif not (self._live or self._quiet) and now - self._shown >= _LINE_SECONDS:
            self._shown = now
            echo_error(self.line())
        return True

    def line(self) -> str:
        """``12 of 50 films, 3.1 h of audio, RTFx 80, 1 failed, about 00:12:00 left``."""
        tally = self.tally
        spent = time.monotonic() - self._began
        parts = [f"{tally.films} of {plural(self._todo.films, 'film')}", _hours(tally.seconds)]
        parts.append(f"RTFx {tally.seconds / max(spent, 1e-3):.0f}")
        if tally.outcomes["failed"]:
            parts.append(f"{tally.outcomes['failed']} failed")
        if self._over:
            left = spent / self._over * (self._todo.seconds - self._over)
            parts.append(f"about {clock(left)} left")
        return ", ".join(parts)


def summary(tally: Tally) -> str:
    """What became of all films, in a few lines."""
    counts = [
        f"{tally.outcomes[state]} {state}"
        for state in ("done", "skipped", "failed")
        if tally.outcomes[state]
    ]
    line = f"{plural(tally.films, 'film')}: {', '.join(counts) or 'nothing to do'}"
    if tally.outcomes["done"]:
        line += f"; {_hours(tally.seconds)}, {plural(tally.words, 'word')}"
        line += f" of mean confidence {tally.confidence:.2f}"
    return f"{line}.\n{_nodes(tally)}{_reasons(tally)}"


def failures(entries: Iterable[Entry]) -> str:
    """Each film that failed, and why."""
    return "".join(
        f"{_named(entry.reason, Path(entry.film))}\n"
        for entry in entries
        if entry.outcome == "failed"
    )


def _named(reason: str, film: Path) -> str:
    """The reason with the film before it, unless it names the film itself."""
    return reason if repr(film.stem)[1:-1] in reason else f"{display_path(film)}: {reason}"


def _nodes(tally: Tally) -> str:
    """A line for each node; the speed is that of one of its workers."""
    if not tally.nodes:
        return ""
    busiest = sorted(tally.nodes.items(), key=lambda item: -item[1].seconds)
    rows = [
        (name, str(node.films), f"{node.seconds / 3600:.1f}", f"{node.rtfx:.1f}")
        for name, node in busiest[:_ROWS]
    ]
    text = table([("NODE", "FILMS", "HOURS", "RTFX OF A WORKER"), *rows])
    return text + (f"and {len(busiest) - _ROWS} more\n" if len(busiest) > _ROWS else "")


def _reasons(tally: Tally) -> str:
    if not tally.reasons:
        return ""
    rows = [(str(count), reason) for reason, count in tally.reasons.most_common(_ROWS)]
    return table([("FAILED", "REASON"), *rows])


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h of audio"
