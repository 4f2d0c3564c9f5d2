"""Cues as the page has them: each with a name that it keeps while it is edited."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from gptasr_subs.server.answers import Refusal
from gptasr_subs.types import Cue

MAX_CUES = 50_000

_MAX_TEXT = 5000  # characters of one cue
_MAX_NAME = 40


@dataclass(frozen=True, slots=True)
class NamedCue:
    """A cue and what the page calls it."""

    id: str | int
    cue: Cue

    def as_json(self) -> dict[str, Any]:
        """For clients and for the disk."""
        cue = self.cue
        facts = {"id": self.id, "start": cue.start, "end": cue.end, "text": cue.text}
        return facts if cue.position == 2 else {**facts, "position": cue.position}

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> NamedCue:
        """What ``as_json`` gave."""
        lines = tuple(facts["text"].split("\n"))
        position = facts.get("position", 2)
        return cls(facts["id"], Cue(facts["start"], facts["end"], lines, position))


def number_cues(cues: Iterable[Cue]) -> list[NamedCue]:
    """The cues of a film that was not edited yet, with times to the millisecond."""
    rounded = (Cue(round(cue.start, 3), round(cue.end, 3), cue.lines, cue.position) for cue in cues)
    return [NamedCue(number, cue) for number, cue in enumerate(rounded, start=1)]


def parse_cues(content: Any) -> list[NamedCue]:
    """The cues in what a client sent as ``{"cues": [...]}``. Raises Refusal."""
    cues = content.get("cues") if isinstance(content, dict) else None
    if not isinstance(cues, list):
        raise Refusal(400, 'Send the cues as {"cues": [{"id", "start", "end", "text"}, ...]}.')
    if len(cues) > MAX_CUES:
        raise Refusal(413, f"A film has at most {MAX_CUES} cues here.")
    found = [_parse_cue(number, facts) for number, facts in enumerate(cues, start=1)]
    if len({str(named.id) for named in found}) < len(found):
        raise Refusal(400, "Two cues have the same id; give each its own.")
    return found


def _parse_cue(number: int, facts: Any) -> NamedCue:
    try:
        start = float(facts["start"])
        end = float(facts["end"])
        position = int(facts.get("position", 2))
        name = facts["id"]
        text = facts["text"]
        is_right = isinstance(name, str | int) and isinstance(text, str) and 1 <= position <= 9
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        is_right = False
    if not is_right or len(str(name)) > _MAX_NAME:
        raise Refusal(400, f"Cue number {number} lacks an id, a start, an end or a text.")
    if not (isfinite(start) and isfinite(end) and start >= 0 and end <= 1e6):
        raise Refusal(400, f"Cue number {number} has no time that a film can have.")
    if len(text) > _MAX_TEXT:
        raise Refusal(413, f"Cue number {number} has more than {_MAX_TEXT} characters.")
    lines = text.replace("\r\n", "\n").encode(errors="replace").decode().split("\n")
    return NamedCue(name, Cue(start, end, tuple(lines), position))


def rename_cues(cues: Sequence[Cue], before: Sequence[NamedCue]) -> list[NamedCue]:
    """``cues`` with the ids of those of ``before`` that they equal, new ids for the others."""
    known: dict[Cue, list[str | int]] = {}
    for named in before:
        known.setdefault(named.cue, []).append(named.id)
    numbers = [int(str(named.id)) for named in before if str(named.id).isdecimal()]
    unused = max(numbers, default=0)
    found = []
    for cue in cues:
        if ids := known.get(cue):
            found.append(NamedCue(ids.pop(0), cue))
        else:
            unused += 1
            found.append(NamedCue(unused, cue))
    return found
