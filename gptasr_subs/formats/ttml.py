"""TTML (.ttml), as the IMSC 1 text profile that broadcasters and streaming services take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from gptasr_subs.cues.markup import balance_tags, convert, name_of
from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import clean_lines, format_time
from gptasr_subs.formats.document import Document
from gptasr_subs.types import Cue

_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling" \
xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:profile="http://www.w3.org/ns/ttml/profile/imsc1/text" \
ttp:timeBase="media" xml:lang={language}>
  <head>
    <styling>
      <style xml:id="s" tts:fontFamily="proportionalSansSerif" tts:fontSize="{size:g}%" tts:lineHeight="125%" \
tts:color="white" tts:backgroundColor="#000000c0"/>
    </styling>
    <layout>
{regions}    </layout>
  </head>
  <body style="s">
    <div>
"""
_REGION = """\
      <region xml:id="r{place}" tts:origin="10% 10%" tts:extent="80% 80%" tts:displayAlign="{row}" \
tts:textAlign="{column}"/>
"""
_FOOT = """\
    </div>
  </body>
</tt>
"""
_ROWS = ("after", "center", "before")
_COLUMNS = ("left", "center", "right")
_CELLS = 15  # rows of the picture by which a font size of 100 % is measured
_SPAN = {"i": 'tts:fontStyle="italic"', "b": 'tts:fontWeight="bold"', "u": 'tts:textDecoration="underline"'}
_LOOKS = {("fontStyle", "italic"): "i", ("fontWeight", "bold"): "b", ("textDecoration", "underline"): "u"}
_NOT_XML = re.compile("[\ufffe\uffff]")

_CLOCK = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)(?::(\d+(?:\.\d+)?))?")
_OFFSET = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|f|t)")


class Ttml:
    """Reading keeps text, line breaks, italics, bold, underline and the region's place."""

    name = "ttml"
    extension = "ttml"

    def write(self, document: Document) -> str:
        """All cues as paragraphs."""
        places = sorted({cue.position for cue in document.cues} | {2})
        regions = "".join(
            _REGION.format(place=place, row=_ROWS[(place - 1) // 3], column=_COLUMNS[(place - 1) % 3])
            for place in places
        )
        size = round(document.style.text_height * _CELLS * 100)
        head = _HEAD.format(language=quoteattr(document.language), size=size, regions=regions)
        return head + "".join(map(_paragraph, document.cues)) + _FOOT

    def read(self, text: str) -> list[Cue]:
        """All paragraphs that have times. Raises FormatError."""
        if not text.strip():
            return []
        try:
            root = ElementTree.fromstring(text)
        except ElementTree.ParseError as error:
            raise FormatError(f"This is not a TTML file: it is no XML ({error}).") from error
        if _local(root.tag) != "tt":
            raise FormatError(f"This is not a TTML file: it begins with <{_local(root.tag)}>, not with <tt>.")
        try:
            reader = _Reader.of(root)
        except (ValueError, ZeroDivisionError) as error:
            raise FormatError("This TTML file has a frame or tick rate that is no number.") from error
        return sorted(reader.cues(root, 0.0, 2), key=lambda cue: cue.start)


def _paragraph(cue: Cue) -> str:
    text = "<br/>".join(map(_spans, balance_tags(clean_lines(cue.lines))))
    times = f'begin="{format_time(cue.start, ".")}" end="{format_time(cue.end, ".")}"'
    return f'      <p {times} region="r{cue.position}" xml:space="preserve">{text}</p>\n'


def _spans(line: str) -> str:
    """The line's markup as spans, each closed on it, or the file would be no XML."""
    opened: list[str] = []

    def span(tag: str) -> str:
        name = name_of(tag)
        if name in _SPAN and not tag.startswith("</"):
            opened.append(name)
            return f"<span {_SPAN[name]}>"
        if opened and opened[-1] == name:
            opened.pop()
            return "</span>"
        return ""

    return convert(line, span, _escape) + "</span>" * len(opened)


def _escape(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))


@dataclass(frozen=True)
class _Reader:
    """What the head of a file says: seconds of a frame and a tick, markup of styles, places of
    regions.
    """

    frame: float
    tick: float
    styles: dict[str, str]
    regions: dict[str, int]

    @classmethod
    def of(cls, root: ElementTree.Element) -> _Reader:
        facts = _attributes(root)
        top, _, bottom = facts.get("frameRateMultiplier", "1 1").replace(":", " ").partition(" ")
        frames = float(facts.get("frameRate", 30)) * float(top) / float(bottom or 1)
        elements = [(_local(element.tag), _attributes(element), element) for element in root.iter()]
        styles = {looks["id"]: _markup(looks) for name, looks, _ in elements if name == "style" and "id" in looks}
        regions = {
            looks["id"]: _place(element) for name, looks, element in elements if name == "region" and "id" in looks
        }
        return cls(1 / frames, 1 / float(facts.get("tickRate", 1)), styles, regions)

    def cues(self, element: ElementTree.Element, since: float, place: int) -> Iterator[Cue]:
        """The paragraphs in an element whose time begins at ``since``."""
        facts = _attributes(element)
        begin = since + self._seconds(facts.get("begin", "0s"))
        place = self.regions.get(facts.get("region", ""), place)
        if _local(element.tag) != "p":
            for child in element:
                yield from self.cues(child, begin, place)
        elif "begin" in facts and ("end" in facts or "dur" in facts):
            end = since + self._seconds(facts["end"]) if "end" in facts else begin + self._seconds(facts["dur"])
            yield Cue(
                round(begin, 3), round(end, 3), tuple(clean_lines(balance_tags(self._text(element).split("\n")))), place
            )

    def _text(self, element: ElementTree.Element) -> str:
        """The text of an element with markup, a line end for each ``<br/>``."""
        facts = _attributes(element)
        names = "".join(
            dict.fromkeys(_markup(facts) + "".join(self.styles.get(i, "") for i in facts.get("style", "").split()))
        )
        inner = _flowing(element.text)
        for child in element:
            inner += "\n" if _local(child.tag) == "br" else "" if _local(child.tag) == "metadata" else self._text(child)
            inner += _flowing(child.tail)
        return "".join(f"<{name}>" for name in names) + inner + "".join(f"</{name}>" for name in reversed(names))

    def _seconds(self, time: str) -> float:
        """A time expression as seconds. Raises FormatError."""
        if clock := _CLOCK.fullmatch(time.strip()):
            frames = float(clock[4] or 0) * self.frame
            return int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3]) + frames
        if offset := _OFFSET.fullmatch(time.strip()):
            units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "f": self.frame, "t": self.tick}
            return float(offset[1]) * units[offset[2]]
        raise FormatError(f"This TTML file has a time that cannot be read: {time!r}.")


def _local(name: str) -> str:
    """A name without its namespace, of which files in the wild have several."""
    return name.rpartition("}")[2]


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    return {_local(name): value for name, value in element.attrib.items()}


def _markup(looks: dict[str, str]) -> str:
    return "".join(name for (attribute, value), name in _LOOKS.items() if looks.get(attribute) == value)


def _place(region: ElementTree.Element) -> int:
    """As on a number pad; a region says so itself or by a style in it."""
    looks = {name: value for part in region.iter() for name, value in _attributes(part).items()}
    columns = {"start": 0, "left": 0, "end": 2, "right": 2}
    row = {"before": 2, "center": 1}.get(looks.get("displayAlign", "after"), 0)
    return 1 + columns.get(looks.get("textAlign", "center"), 1) + 3 * row


def _flowing(text: str | None) -> str:
    """Line ends in the file are no line ends on the screen."""
    return re.sub(r"\s*\n\s*", " ", text or "")
