"""The sum of many films: outcomes, hours, speed, nodes, reasons."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from gptasr_subs.farm.manifest import Entry


@dataclass
class NodeTally:
    """What one node has done."""

    films: int = 0
    seconds: float = 0.0
    elapsed: float = 0.0

    @property
    def rtfx(self) -> float:
        """Seconds of audio for each second of work of one worker."""
        return self.seconds / self.elapsed if self.elapsed else 0.0


@dataclass
class Tally:
    """Counts films as they are over."""

    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)  # why films failed
    nodes: dict[str, NodeTally] = field(default_factory=dict)
    seconds: float = 0.0
    words: int = 0
    _confidence: float = 0.0

    def add(self, entry: Entry) -> None:
        """Count one film in."""
        self.outcomes[entry.outcome] += 1
        if entry.outcome == "failed":
            self.reasons[entry.reason.replace(repr(entry.film), "the film")] += 1
        if entry.outcome != "done":
            return
        self.seconds += entry.seconds
        self.words += entry.words
        self._confidence += entry.confidence * entry.words
        node = self.nodes.setdefault(entry.node, NodeTally())
        node.films += 1
        node.seconds += entry.seconds
        node.elapsed += entry.elapsed

    @property
    def films(self) -> int:
        """How many are over."""
        return self.outcomes.total()

    @property
    def confidence(self) -> float:
        """The mean over all words."""
        return self._confidence / self.words if self.words else 0.0
