"""The cues of a TTML document: which text it shows when and where.

Times may stand on any element and count from the beginning of what it stands in, or, in a
``timeContainer="seq"``, from the end of what stands before it there (TTML 1, section 12).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from math import inf, isfinite
from xml.etree import ElementTree

from gptasr_subs.cues.markup import balance_tags, literal
from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import clean_lines
from gptasr_subs.formats.reading import Reading, close_open, left_out
from gptasr_subs.types import Cue

_LOOKS = {
    ("fontStyle", "italic"): "i",
    ("fontWeight", "bold"): "b",
    ("textDecoration", "underline"): "u",
    ("textDecoration", "lineThrough"): "s",
}
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:[.,]\d+)?)(?:[:;](\d+(?:\.\d+)?))?")
_OFFSET = re.compile(r"(\d+(?:[.,]\d+)?)\s?(h|ms|m|s|f|t)?")
_SILENT = frozenset({"metadata", "head", "set", "animate"})  # elements without text that is shown


@dataclass(frozen=True, slots=True)
class _Part:
    """Text with markup that is shown from ``begin`` to ``end``, in which no line ends.

    ``place``: as keys lie on a number pad. ``timed``: a time stands on it or around it.
    """

    text: str
    begin: float
    end: float
    place: int
    timed: bool

    @property
    def when(self) -> tuple[float, float]:
        return self.begin, self.end


@dataclass(frozen=True, slots=True)
class _Scope:
    """What an element takes over from those around it."""

    begin: float = 0.0
    end: float = inf
    place: int = 2
    timed: bool = False
    names: tuple[str, ...] = ()  # of tags

    def part(self, text: str) -> _Part:
        """Return text of the element."""
        return _Part(text, self.begin, end=self.end, place=self.place, timed=self.timed)


def read_ttml(root: ElementTree.Element) -> Reading:
    """Return all text that has a time. Raises FormatError where a time cannot be read."""
    reader = _Reader(root)
    cues = []
    for group in chain.from_iterable(map(_together, reader.paragraphs())):
        filled = [part for part in group if part.text.strip()]
        if filled:
            begin = min(part.begin for part in filled)
            end = max(part.end for part in filled)
            lines = clean_lines(balance_tags("".join(part.text for part in group).split("\n")))
            cues.append(Cue(round(begin, 3), round(end, 3), tuple(lines), filled[0].place))
    read = close_open(sorted(cues, key=lambda cue: cue.start))
    return Reading(read.cues, (*read.remarks, *left_out(reader.untimed)))


@dataclass
class _Reader:
    """``untimed`` gathers the text that has no time."""

    root: ElementTree.Element
    frame: float = field(init=False)  # seconds
    tick: float = field(init=False)
    styles: dict[str, str] = field(init=False)  # markup by name
    regions: dict[str, int] = field(init=False)  # places by name
    untimed: list[str] = field(default_factory=list)
    _open: list[_Part] = field(default_factory=list)  # of the paragraph that is read
    _done: list[list[_Part]] = field(default_factory=list)

    def __post_init__(self) -> None:
        facts = _attributes(self.root)
        try:
            multiplier = facts.get("frameRateMultiplier", "1 1").replace(":", " ")
            top, _, bottom = multiplier.partition(" ")
            rate = float(facts.get("frameRate", 30)) * float(top) / float(bottom or 1)
            self.frame = 1 / rate
            usual = facts.get("frameRate", "1")
            self.tick = 1 / float(facts.get("tickRate", usual))
        except (ValueError, ZeroDivisionError) as error:
            raise FormatError(
                "This TTML file has a frame or tick rate that is no number."
            ) from error
        named = [(local_name(element.tag), element) for element in self.root.iter()]
        self.styles = {
            name: _markup(_attributes(element))
            for kind, element in named
            if kind == "style" and (name := _attributes(element).get("id"))
        }
        self.regions = {
            name: _place(element)
            for kind, element in named
            if kind == "region" and (name := _attributes(element).get("id"))
        }

    def paragraphs(self) -> list[list[_Part]]:
        """Return the parts of each paragraph."""
        self._walk(self.root, _Scope(), after=0.0)
        self._close()
        return self._done

    def _walk(self, element: ElementTree.Element, outer: _Scope, after: float) -> float:
        """Read an element whose times count from ``after``; gives its end, if known."""
        name = local_name(element.tag)
        if name in _SILENT:
            return after
        if name == "br":
            self._open.append(outer.part("\n"))
            return after
        if name == "p":
            self._close()
        scope = self._scope(element, outer, after)
        in_turn = _attributes(element).get("timeContainer") == "seq"
        after = scope.begin
        end = scope.begin
        self._add(element.text, scope)
        for child in element:
            child_end = self._walk(child, scope, after)
            end = max(end, child_end)
            after = child_end if in_turn else scope.begin
            self._add(child.tail, scope)
        if name == "p":
            self._close()
        return scope.end if isfinite(scope.end) else end

    def _scope(self, element: ElementTree.Element, outer: _Scope, after: float) -> _Scope:
        facts = _attributes(element)
        begin = after + self._seconds(facts.get("begin", "0s"))
        ends = [outer.end]
        if "end" in facts:
            ends.append(after + self._seconds(facts["end"]))
        if "dur" in facts:
            ends.append(begin + self._seconds(facts["dur"]))
        named = "".join(self.styles.get(style, "") for style in facts.get("style", "").split())
        names = dict.fromkeys([*outer.names, *_markup(facts), *named])
        timed = outer.timed or not facts.keys().isdisjoint({"begin", "end", "dur"})
        place = self.regions.get(facts.get("region", ""), outer.place)
        return _Scope(begin, min(ends), place=place, timed=timed, names=tuple(names))

    def _add(self, text: str | None, scope: _Scope) -> None:
        """Text of an element; line ends in the file are no line ends on the screen."""
        flowing = re.sub(r"\s*\n\s*", " ", text or "")
        if flowing.strip() and scope.timed:
            opening = "".join(f"<{name}>" for name in scope.names)
            closing = "".join(f"</{name}>" for name in reversed(scope.names))
            flowing = opening + literal(flowing) + closing
        self._open.append(scope.part(flowing))

    def _close(self) -> None:
        self.untimed += [part.text for part in self._open if not part.timed]
        self._done.append([part for part in self._open if part.timed or not part.text.strip()])
        self._open = []

    def _seconds(self, time: str) -> float:
        """Return a time expression as seconds. Raises FormatError."""
        if clock := _CLOCK.fullmatch(time.strip()):
            frames = float(clock[4] or 0) * self.frame
            whole = int(clock[1] or 0) * 3600 + int(clock[2]) * 60
            return whole + float(clock[3].replace(",", ".")) + frames
        if offset := _OFFSET.fullmatch(time.strip()):
            units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
            units |= {"f": self.frame, "t": self.tick}
            return float(offset[1].replace(",", ".")) * units[offset[2] or "s"]
        raise FormatError(f"This TTML file has a time that cannot be read: {time!r}.")


def _together(parts: Iterable[_Part]) -> list[list[_Part]]:
    """Return parts of one time, and on one line also those that come in while the first is
    shown.
    """
    # Spaces and line ends take the time of the text before them.
    timed: list[_Part] = []
    for part in parts:
        if timed and not part.text.strip():
            part = replace(timed[-1], text=part.text)
        timed.append(part)
    groups: list[list[_Part]] = []
    for when, group in groupby(timed, key=lambda part: part.when):
        own = list(group)
        before = groups[-1] if groups else []
        text = "".join(part.text for part in before)
        ends_line = "\n" in text[len(text.rstrip()) :]
        if before and not ends_line and min(p.begin for p in before) <= when[0] < before[-1].end:
            before += own
        else:
            groups.append(own)
    return groups


def local_name(name: str) -> str:
    """Return a name without its namespace, of which files in the wild have several."""
    return name.rpartition("}")[2] if isinstance(name, str) else "metadata"


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    return {local_name(name): value for name, value in element.attrib.items()}


def _markup(looks: dict[str, str]) -> str:
    return "".join(
        name for (attribute, value), name in _LOOKS.items() if looks.get(attribute) == value
    )


def _place(region: ElementTree.Element) -> int:
    """As on a number pad; a region says so itself or by a style in it."""
    looks = {name: value for part in region.iter() for name, value in _attributes(part).items()}
    columns = {"start": 0, "left": 0, "end": 2, "right": 2}
    row = {"before": 2, "center": 1}.get(looks.get("displayAlign", "after"), 0)
    return 1 + columns.get(looks.get("textAlign", "center"), 1) + 3 * row
