"""Tags of HTML, of which SubRip and WebVTT files have more than cues carry."""

from __future__ import annotations

import html
import re

from gptasr_subs.cues.markup import JOINER, literal

_SAME = {"em": "i", "strong": "b", "strike": "s", "del": "s"}
_CARRIED = frozenset("bius")
# What is a tag and not text that stands in angle brackets
_NAMES = "b|i|u|s|em|strong|strike|del|font|v|c|br|span|p|div|lang|ruby|rt|rp|big|small|center"
_TAG = re.compile(
    rf"<(/?)({_NAMES})((?:[\s.][^<>]*)?)/?>|<\d+:\d[\d:.]*>|(?P<nameless></?>)", re.IGNORECASE
)
_HIDDEN = re.compile(f"<{JOINER}")


def read_tags(text: str, escaped: bool = False) -> str:
    """Return a text with the markup of cues for its tags, without escapes where it is
    ``escaped``.
    """
    parts = []
    end = 0
    # Tags without a name are text, unless text would be escaped.
    for tag in (tag for tag in _TAG.finditer(text) if escaped or not tag["nameless"]):
        parts += [_words(text[end : tag.start()], escaped), _markup(tag)]
        end = tag.end()
    return "".join([*parts, _words(text[end:], escaped)])


def hide_tags(text: str) -> str:
    """Put an invisible sign into what would be taken for tags, so that it stays text."""
    return _TAG.sub(lambda tag: tag[0] if tag["nameless"] else f"<{JOINER}{tag[0][1:]}", text)


def _words(text: str, escaped: bool) -> str:
    return literal(_HIDDEN.sub("<", html.unescape(text) if escaped else text))


def _markup(tag: re.Match[str]) -> str:
    """Return what of a tag cues carry; the reading of a Chinese sign stands behind it in
    brackets.
    """
    slash = tag[1] or ""
    name = (tag[2] or "").lower()
    name = _SAME.get(name, name)
    if name == "v" and not slash:
        speaker = html.unescape(tag[3].partition(" ")[2]).strip()
        return f"<v {re.sub('[<>]', '', speaker)}>" if speaker else ""
    if name in _CARRIED or (name == "v" and slash):
        return f"<{slash}{name}>"
    if name == "font":
        return f"<{slash}font{'' if slash else tag[3].rstrip()}>"
    return {"br": "\n", "rt": ")" if slash else "("}.get(name, "")
