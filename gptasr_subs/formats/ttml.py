"""TTML (.ttml), as the IMSC 1 text profile that broadcasters and streaming services take."""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from gptasr_subs.cues.markup import balance_tags, convert, name_of
from gptasr_subs.errors import FormatError
from gptasr_subs.formats.blocks import clean_lines
from gptasr_subs.formats.document import Document
from gptasr_subs.formats.reading import Parsed, Reading
from gptasr_subs.formats.times import format_time
from gptasr_subs.formats.ttml_reader import local_name, read_ttml

_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling" \
xmlns:ttp="http://www.w3.org/ns/ttml#parameter" \
ttp:profile="http://www.w3.org/ns/ttml/profile/imsc1/text" \
ttp:timeBase="media" xml:lang={language}>
  <head>
    <styling>
      <style xml:id="s" tts:fontFamily="proportionalSansSerif" tts:fontSize="{size:g}%" \
tts:lineHeight="125%" tts:color="white" tts:backgroundColor="#000000c0"/>
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
_SPAN = {
    "i": 'tts:fontStyle="italic"',
    "b": 'tts:fontWeight="bold"',
    "u": 'tts:textDecoration="underline"',
}
_NOT_XML = re.compile("[\ufffe\uffff]")


class Ttml(Parsed):
    """Reading keeps text, line breaks, italics, bold, underline and the region's place."""

    name = "ttml"
    extension = "ttml"

    def write(self, document: Document) -> str:
        """Return all cues as paragraphs."""
        places = sorted({cue.position for cue in document.cues} | {2})
        regions = "".join(
            _REGION.format(
                place=place, row=_ROWS[(place - 1) // 3], column=_COLUMNS[(place - 1) % 3]
            )
            for place in places
        )
        size = round(document.style.text_height * _CELLS * 100)
        head = _HEAD.format(language=quoteattr(document.language), size=size, regions=regions)
        paragraphs = []
        for cue in document.cues:
            text = "<br/>".join(map(_spans, balance_tags(clean_lines(cue.lines))))
            times = f'begin="{format_time(cue.start, ".")}" end="{format_time(cue.end, ".")}"'
            place = f'region="r{cue.position}" xml:space="preserve"'
            paragraphs.append(f"      <p {times} {place}>{text}</p>\n")
        return head + "".join(paragraphs) + _FOOT

    def parse(self, text: str) -> Reading:
        """Return all text that has a time, its own or that of what it stands in. Raises
        FormatError.
        """
        if not text.strip():
            return Reading([])
        try:
            root = ElementTree.fromstring(text)
        except (ElementTree.ParseError, ValueError) as error:
            raise FormatError(f"This is not a TTML file: it is no XML ({error}).") from error
        if local_name(root.tag) != "tt":
            begin = local_name(root.tag)
            raise FormatError(f"This is not a TTML file: it begins with <{begin}>, not with <tt>.")
        return read_ttml(root)


def _spans(line: str) -> str:
    """Return the line's markup as spans, each closed on it, or the file would be no XML."""
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

    spans = convert(line, span, lambda text: escape(_NOT_XML.sub("\ufffd", text)))
    return spans + "</span>" * len(opened)
