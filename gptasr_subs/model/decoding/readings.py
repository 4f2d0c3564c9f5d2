"""What else each word of a text may be: the words that other beams wrote in its place.

Beams that were dropped on the way count as well, for those that are left in the end have most words
in common.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile

from torch import Tensor

from gptasr_subs.model import ctc
from gptasr_subs.model.tokenizer import Tokenizer

MOST = 5  # readings of a word

_EVERY = 2  # steps between two looks at the beams
_FARTHEST = 8.0  # nats that a beam may be behind the best
_SLACK = 2  # words by which another text of the same audio may be shorter
_PARTS = re.compile(r"(\W*)(.*?)(\W*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rival:
    """Tokens that a beam had written, whether it had ``ended``, and by how many nats it was behind
    the best one then.
    """

    tokens: tuple[int, ...]
    ended: bool
    behind: float


class RivalWatch:
    """Collects the beams of each clip while it is searched."""

    def __init__(self, stop: int) -> None:
        """``stop`` is the token that ends a text."""
        self._stop = stop
        self._steps = 0
        self._seen: dict[int, dict[tuple[int, ...], float]] = {}

    def look(self, clips: Tensor, tokens: Tensor, scores: Tensor) -> None:
        """Look at the beams of the ``clips`` (B,): ``tokens`` (B, K, U), ``scores`` (B, K)."""
        self._steps += 1
        if self._steps % _EVERY:
            return
        behind = (scores[:, :1] - scores).tolist()
        beams = tokens[..., 1:].tolist()  # the first is the start token
        for clip, texts, losses in zip(clips.tolist(), beams, behind, strict=True):
            seen = self._seen.setdefault(clip, {})
            for text, loss in zip(texts, losses, strict=True):
                if loss < _FARTHEST:
                    key = tuple(text)
                    seen[key] = min(loss, seen.get(key, loss))

    def rivals(self, clip: int) -> tuple[Rival, ...]:
        """All that were seen of a clip."""
        found = []
        for tokens, behind in self._seen.get(clip, {}).items():
            ended = self._stop in tokens
            written = tokens[: tokens.index(self._stop)] if ended else tokens
            found.append(Rival(written, ended, behind))
        return tuple(found)


def read_otherwise(
    text: str, rivals: Iterable[Rival], tokenizer: Tokenizer
) -> list[tuple[str, ...]]:
    """The other readings of each word of ``text``, at most ``MOST``, the nearest first.

    A word is what stands between blanks. Its readings differ from it in more than case and marks;
    they may be several words, and have the marks around it.
    """
    words = text.split()
    keys = [ctc.normalize_text(word) for word in words]
    nearest: list[dict[str, tuple[float, str]]] = [{} for _ in words]
    for rival in rivals:
        written = tokenizer.decode(rival.tokens).split()
        if not rival.ended:
            written = written[:-1]  # it may be cut
        for place, other in _replaced(keys, written):
            key = ctc.normalize_text(other)
            if key and key != keys[place]:
                before, _, after = _parts(words[place])
                found = (rival.behind, before + _parts(other)[1] + after)
                nearest[place][key] = min(found, nearest[place].get(key, found))
    return [tuple(other for _, other in sorted(found.values())[:MOST]) for found in nearest]


def _replaced(keys: Sequence[str], written: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the places of the words ``keys`` where ``written``, which may end early, has others."""
    others = [ctc.normalize_text(word) for word in written]
    pairs = zip(keys, others, strict=False)
    head = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    tail = keys[head : len(others) + _SLACK]
    blocks = SequenceMatcher(None, tail, others[head:], autojunk=False).get_opcodes()
    for kind, first, last, low, high in blocks:
        if kind != "replace":
            continue
        replacing = written[head + low : head + high]
        if last - first == len(replacing):
            yield from enumerate(replacing, start=head + first)
        elif last - first == 1:
            yield head + first, " ".join(replacing)
        elif high == len(others) - head:  # what follows was not written yet
            yield head + first, replacing[0]


def _parts(word: str) -> tuple[str, str, str]:
    match = _PARTS.fullmatch(word)
    assert match  # every text has the three parts, if empty ones
    before, core, after = match.groups()
    return before, core, after
