"""The words of cues with their markup, and where a speaker's line begins."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from gptasr_subs.cues.markup import iter_chars, plain, wrap_tags
from gptasr_subs.cues.norms import NETFLIX, Norms
from gptasr_subs.cues.timed_words import CUE, LINE, NOTHING, PHRASE
from gptasr_subs.types import Cue

_SPOKEN_OVER = 0.5  # seconds; a voice that breaks in on another one does so for less
_AT_ONCE = 0.1  # seconds between the starts of two voices
_SIGN_LETTERS = 4  # at least, all in capitals; OK and FBI are spoken
# What stands before a speaker's words at the start of a line stays with the first of them; a sound
# tag such as [door slams] stays in one piece.
_SPEAKER = re.compile(r"[-‐‑–—]|>>+")
_TOKEN = re.compile(rf"^(?:{_SPEAKER.pattern})\s*\S+|[\[(][^\[\]()]*[\])]\S*|\S+")
_WORD = re.compile(r"\S+")

Row = list[tuple[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Token:
    """What is never parted: most often a word.

    ``tags`` are its markup, ``break_before`` is one of ``timed_words``.
    """

    text: str
    tags: tuple[str, ...] = ()
    break_before: int = NOTHING
    position: int = 2


def tokens_of(cues: Sequence[Cue], norms: Norms = NETFLIX) -> list[list[Token]]:
    """The tokens of each cue.

    A cue begins a phrase, and does not mix with one of other speakers or another place.
    """
    found = []
    before: Cue | None = None
    for cue in cues:
        lines = groupby(iter_chars(cue.text), key=lambda char: char[0] != "\n")
        rows = [list(line) for is_text, line in lines if is_text]
        tokens = [token for row in rows for token in _line_tokens(row, norms.max_chars // 2)]
        if tokens:
            least = _break_between(before, cue) if before else PHRASE
            tokens[0] = replace(tokens[0], break_before=max(tokens[0].break_before, least))
        found.append(tokens)
        before = cue
    return found


def apply_tags(cues: Sequence[Cue], tokens: Sequence[Token]) -> list[Cue]:
    """Cues whose text is made of these tokens, with the tokens' markup and places."""
    upcoming = iter(tokens)
    tagged = []
    for cue in cues:
        lines = []
        position = 2
        for line in cue.lines:
            own: list[Token] = []
            while len(" ".join(token.text for token in own)) < len(line):
                own.append(next(upcoming))
            position = own[0].position
            runs = groupby(own, key=lambda token: token.tags)
            texts = [(tags, " ".join(token.text for token in run)) for tags, run in runs]
            lines.append(" ".join(wrap_tags(text, tags) for tags, text in texts))
        tagged.append(replace(cue, lines=tuple(lines), position=position))
    return tagged


def _line_tokens(row: Row, longest: int) -> Iterator[Token]:
    """The tokens of a line; one longer than ``longest`` falls into its words."""
    indent = next((i for i, (char, _) in enumerate(row) if not char.isspace()), len(row))
    row = row[indent:]
    text = "".join(char for char, _ in row)
    for found in _TOKEN.finditer(text):
        speaks = found.start() == 0 and _SPEAKER.match(text) is not None
        parts = [found.span()]
        if found.end() - found.start() > longest:
            parts = [word.span() for word in _WORD.finditer(text, *found.span())]
        for first, last in parts:
            tags = Counter(tags for _, tags in row[first:last]).most_common(1)[0][0]
            yield Token(
                " ".join(text[first:last].split()), tags, LINE if speaks and first == 0 else NOTHING
            )


def _break_between(cue: Cue, following: Cue) -> int:
    """What parts two cues at least."""
    if cue.position != following.position:
        return CUE
    later = following.start - cue.start
    if _is_dialogue(cue) or _is_dialogue(following):
        both_speak = _is_dialogue(cue) and _is_dialogue(following) and len(following.lines) == 1
        # Speakers who begin at once may share a cue, a line each.
        return LINE if both_speak and later < _AT_ONCE else CUE
    if _is_in_capitals(cue) != _is_in_capitals(following):
        return CUE
    # One that is a sign, shown during speech
    together = min(cue.end, following.end) - following.start
    return CUE if min(together, later) > _SPOKEN_OVER else PHRASE


def _is_dialogue(cue: Cue) -> bool:
    return any(_SPEAKER.match(plain(line).strip()) for line in cue.lines)


def _is_in_capitals(cue: Cue) -> bool:
    """Whether it is written as signs are, in capitals throughout."""
    letters = [char for char in plain(cue.text) if char.isalpha()]
    return len(letters) >= _SIGN_LETTERS and all(char.isupper() for char in letters)
