"""What became of a corpus: hours, speakers and licences of what was kept, reasons for the rest."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gptasr_subs.corpora.manifest import Clip
from gptasr_subs.storage.files import write_atomically

REPORT_FILE = "report.json"


@dataclass(slots=True)
class Report:
    """Clips that were kept, and those that were not, each with its reason."""

    kept: list[Clip] = field(default_factory=list)
    dropped: list[tuple[Clip, str]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return clips, hours, speakers and licences a source; clips and hours a source and
        reason.
        """
        sources = defaultdict(list)
        dropped = defaultdict(list)
        for clip in self.kept:
            sources[clip.source].append(clip)
        for clip, reason in self.dropped:
            dropped[clip.source, reason].append(clip)
        return {
            "sources": [
                {
                    **_size(clips),
                    "speakers": len({clip.speaker for clip in clips}),
                    "licences": sorted({clip.licence for clip in clips}),
                }
                for _, clips in sorted(sources.items())
            ],
            "dropped": [
                {"reason": reason, **_size(clips)} for (_, reason), clips in sorted(dropped.items())
            ],
        }

    def lines(self) -> Iterator[str]:
        """Yield the same for a person."""
        found = self.to_dict()
        for entry in found["dropped"]:
            yield "{source}: dropped {clips} clips ({hours:.2f} h): {reason}.".format(**entry)
        for entry in found["sources"]:
            yield "{source}: {clips} clips, {hours:.2f} h, {speakers} speakers.".format(**entry)

    @property
    def hours(self) -> float:
        """Of what was kept."""
        return sum(clip.seconds for clip in self.kept) / 3600

    def write(self, folder: Path) -> None:
        """Leave it in ``folder``."""
        write_atomically(
            folder / REPORT_FILE, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n"
        )


def _size(clips: Sequence[Clip]) -> dict[str, Any]:
    hours = round(sum(clip.seconds for clip in clips) / 3600, 4)
    return {"source": clips[0].source, "clips": len(clips), "hours": hours}
