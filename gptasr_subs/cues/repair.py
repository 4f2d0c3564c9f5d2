"""Cues of other tools reshaped within the norms: no word is changed, and what is right stays as it
is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import inf

import numpy as np

from gptasr_subs.cues.lint import lint
from gptasr_subs.cues.markup import iter_chars, plain, wrap_tags
from gptasr_subs.cues.norms import NETFLIX, Norms
from gptasr_subs.cues.shaping import arrange
from gptasr_subs.cues.timed_words import CUE, LINE, NOTHING, PHRASE, spread, time_words
from gptasr_subs.cues.timing import reading_seconds, shortest_seconds
from gptasr_subs.types import Cue, Word

_SLOWEST = 8.0  # characters a second; what stands longer than that takes was spoken at its start
# A speaker's dash at the start of a line stays with the word behind it, a sound tag such as [door
# slams] in one piece.
_TOKEN = re.compile(r"^[-‐‑–—]\s*\S+|[\[(][^\[\]()]*[\])]\S*|\S+")
_DASH = re.compile(r"[-‐‑–—]")
_WORD = re.compile(r"\S+")

Cues = list[Cue]


@dataclass(frozen=True, slots=True)
class Token:
    """What is never parted: most often a word.

    ``tags`` are its markup, ``break_before`` is one of ``timed_words``.
    """

    text: str
    tags: tuple[str, ...] = ()
    break_before: int = NOTHING
    position: int = 2


def fix_cues(cues: Sequence[Cue], norms: Norms = NETFLIX) -> Cues:
    """The cues in the order of their times, runs of faulty ones shaped anew, the others as they
    were.

    Every word stays, and afterwards no hard rule breaks. Twice does no more than once.
    """
    fixed = sorted((cue for cue in cues if plain(cue.text).strip()), key=lambda cue: cue.start)
    unfixable: set[tuple[Cue, ...]] = set()
    while (better := _fixed_once(fixed, norms, unfixable)) != fixed:
        fixed = better
    return fix_cues(reshape(fixed, norms), norms) if lint(fixed, norms).hard else fixed


def reshape(cues: Sequence[Cue], norms: Norms = NETFLIX, end_limit: float = inf) -> Cues:
    """All cues shaped anew from their words, which are spread over each cue's time.

    None reaches ``end_limit``.
    """
    tokens: list[Token] = []
    words: list[Word] = []
    for cue, own, span in zip(cues, tokens_of(cues, norms), _spoken(cues, norms, end_limit), strict=True):
        tokens += [replace(token, position=cue.position) for token in own]
        words += _spread(own, *span)
    timed = time_words(words, [token.break_before for token in tokens], end_limit)
    return apply_tags(arrange(timed, replace(norms, lead_out=0.0)), tokens)


def tokens_of(cues: Sequence[Cue], norms: Norms = NETFLIX) -> list[list[Token]]:
    """The tokens of each cue.

    A cue begins a phrase, and does not mix with one of other speakers or another place.
    """
    found = []
    before: Cue | None = None
    for cue in cues:
        tokens = [token for row in _rows(cue) for token in _line_tokens(row, norms.max_chars // 2)]
        apart = before is not None and (_is_dialogue(cue) or _is_dialogue(before) or cue.position != before.position)
        found.append(
            [replace(token, break_before=max(token.break_before, CUE if apart else PHRASE)) for token in tokens[:1]]
            + tokens[1:]
        )
        before = cue
    return found


def apply_tags(cues: Sequence[Cue], tokens: Sequence[Token]) -> Cues:
    """Cues whose text is made of these tokens, with the tokens' markup and places."""
    upcoming = iter(tokens)
    return [_with_tags(cue, upcoming) for cue in cues]


def _with_tags(cue: Cue, upcoming: Iterator[Token]) -> Cue:
    lines = []
    position = 2
    for line in cue.lines:
        own: list[Token] = []
        while len(" ".join(token.text for token in own)) < len(line):
            own.append(next(upcoming))
        position = own[0].position
        runs = groupby(own, key=lambda token: token.tags)
        lines.append(" ".join(wrap_tags(" ".join(token.text for token in run), tags) for tags, run in runs))
    return replace(cue, lines=tuple(lines), position=position)


Row = list[tuple[str, tuple[str, ...]]]


def _rows(cue: Cue) -> Iterator[Row]:
    """The characters that are read of each line, with their markup."""
    row: Row = []
    for char, tags in iter_chars(cue.text):
        if char == "\n":
            yield row
            row = []
        else:
            row.append((char, tags))
    yield row


def _line_tokens(row: Row, longest: int) -> Iterator[Token]:
    """The tokens of a line; one longer than ``longest`` falls into its words."""
    indent = next((i for i, (char, _) in enumerate(row) if not char.isspace()), len(row))
    row = row[indent:]
    text = "".join(char for char, _ in row)
    for found in _TOKEN.finditer(text):
        dash = found.start() == 0 and _DASH.match(text) is not None
        parts = [found.span()]
        if found.end() - found.start() > longest:
            parts = [word.span() for word in _WORD.finditer(text, *found.span())]
        for first, last in parts:
            tags = Counter(tags for _, tags in row[first:last]).most_common(1)[0][0]
            yield Token(" ".join(text[first:last].split()), tags, LINE if dash and first == 0 else NOTHING)


def _is_dialogue(cue: Cue) -> bool:
    return any(_DASH.match(plain(line).strip()) for line in cue.lines)


def _spoken(cues: Sequence[Cue], norms: Norms, end_limit: float) -> Iterator[tuple[float, float]]:
    """When each cue's words are taken to be spoken: as long as it stands, unless that cannot be
    right.
    """
    now = 0.0
    for cue, following in zip(cues, [*cues[1:], None], strict=True):
        start = max(now, cue.start)
        limit = following.start if following else end_limit
        needed = _needed(cue, norms)
        now = _end(start, cue, limit=limit - norms.gap, needed=needed, norms=norms)
        if now > limit:
            enough = limit - start >= needed / 2
            if enough or following is None:
                now = limit
            else:
                # Both take their share of a time that is too short for two.
                share = len(cue.text) / (len(cue.text) + len(following.text))
                now = max(limit, start + (now - start) * share)
        yield start, max(start, now)


def _spread(tokens: Sequence[Token], start: float, end: float) -> list[Word]:
    """Words of a cue at the speed of a voice; what time is left belongs to the last."""
    texts = [token.text for token in tokens]
    *words, last = spread(texts, Word("", start, min(end, start + len(" ".join(texts)) / _SLOWEST)))
    return [*words, replace(last, end=end)]


def _end(start: float, cue: Cue, limit: float, needed: float, norms: Norms) -> float:
    """A cue too short to read stays as long as that takes, one that stood for ages has been spoken
    sooner.
    """
    if cue.end <= start:
        return min(start + needed, max(start, limit))
    if cue.end - start < needed:
        return max(cue.end, min(start + needed, limit))
    briefly = len(plain(cue.text)) / _SLOWEST <= norms.max_seconds
    return min(cue.end, start + norms.max_seconds) if briefly else cue.end


def _needed(cue: Cue, norms: Norms) -> float:
    """Seconds it takes to read a cue, at least its shortest duration."""
    text = plain(cue.text)
    words = np.array(len(text.split()))
    return float(np.maximum(reading_seconds(np.array(len(text)), words, norms), shortest_seconds(words, norms)))


def _fixed_once(cues: Cues, norms: Norms, unfixable: set[tuple[Cue, ...]]) -> Cues:
    """Each run of faulty cues shaped anew, if it then has fewer faults.

    From the last on, so that places stay true.
    """
    touched = len(cues)
    for first, last in reversed(_faulty_runs(cues, norms)):
        if last <= touched and tuple(cues[first:last]) not in unfixable:
            before = len(cues)
            touched, cues = _fix_run(cues, first, last, norms)
            if touched == before:
                unfixable.add(tuple(cues[first:last]))
    return cues


def _faulty_runs(cues: Cues, norms: Norms) -> list[tuple[int, int]]:
    """Stretches of neighbours that have faults, each as (first, one past the last)."""
    faulty = {
        violation.cue - 1 + i for violation in lint(cues, norms).violations for i in range(1 + violation.pair)
    } - {len(cues)}
    runs: list[tuple[int, int]] = []
    for k in sorted(faulty):
        if runs and runs[-1][1] == k:
            runs[-1] = (runs[-1][0], k + 1)
        else:
            runs.append((k, k + 1))
    return runs


def _fix_run(cues: Cues, first: int, last: int, norms: Norms) -> tuple[int, Cues]:
    """The first cue that was shaped anew and all cues; the run grows while hard faults demand it.

    As the first cue the number of cues, if none was.
    """
    grown = 0
    while True:
        low = max(0, first - grown)
        high = min(len(cues), last + grown)
        new = reshape(cues[low:high], norms, cues[high].start if high < len(cues) else inf)
        sides = cues[max(0, low - 1) : low], cues[high : high + 1]
        now, then = (_violations([*sides[0], *middle, *sides[1]], norms) for middle in (cues[low:high], new))
        if then < now:
            return low, [*cues[:low], *new, *cues[high:]]
        if (grown and not now[0]) or (low == 0 and high == len(cues)):
            return len(cues), cues
        grown = 2 * grown + 1


def _violations(cues: Cues, norms: Norms) -> tuple[int, int, float]:
    """Hard ones, soft ones, and the seconds that are missing for reading."""
    report = lint(cues, norms)
    missing = sum(max(0.0, _needed(cue, norms) - (cue.end - cue.start)) for cue in cues)
    return report.hard, report.soft, round(missing, 2)
