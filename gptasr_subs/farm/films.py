"""What travels to a worker, and what comes back from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gptasr_subs.jobs.hooks import Event
from gptasr_subs.jobs.rules import Limits
from gptasr_subs.pipeline.options import Options


@dataclass(frozen=True, slots=True)
class Film:
    """One film to subtitle: ``place`` is a path that all machines know, or an address.

    ``job`` is its number in the queue. ``limits`` are rules that may let it be skipped, None for no
    rules at all. ``folder`` is an address that the results go to; without one ``options`` say it.
    """

    job: int
    place: str
    options: Options
    limits: Limits | None = None
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a film went; ``is_final`` is False where another attempt may go better.

    ``remarks`` are warnings on the way.
    """

    event: Event
    is_final: bool = True
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Halted:
    """The work was stopped because the driver said so; nothing is written."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """This worker can do no film at all, for this ``reason``."""

    reason: str


Answer = Outcome | Halted | Unfit
# Does a film; the function that it is given says whether to stop.
Work = Callable[[Film, Callable[[], bool]], Answer]


@dataclass(frozen=True, slots=True)
class Node:
    """The machine of a worker: its ``id`` in the cluster, and the version of this package there."""

    name: str
    id: str
    version: str
