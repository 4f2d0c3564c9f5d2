"""What breaks the norms in a list of cues: one short function a rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gptasr_subs.cues.linebreaks import INSIDE_PHRASE, break_penalties
from gptasr_subs.cues.markup import plain
from gptasr_subs.cues.norms import NETFLIX, Norms
from gptasr_subs.cues.timing import reading_seconds, shortest_seconds
from gptasr_subs.types import Cue

_ROUNDING = 0.0101  # seconds: some formats count hundredths, and no eye sees less
_NEAR = 0.5  # seconds of silence over which a phrase may go on
_DASHES = ("-", "–", "—", "‐", "‑")


@dataclass(frozen=True)
class Shown:
    """A cue as a viewer meets it: between its neighbours, without markup."""

    cue: Cue
    before: Cue | None
    after: Cue | None

    @cached_property
    def lines(self) -> list[str]:
        """What is read of each line."""
        return [plain(line).strip() for line in self.cue.lines]

    @property
    def seconds(self) -> float:
        """How long it stands."""
        return self.cue.end - self.cue.start

    @property
    def words(self) -> list[str]:
        """All words of all lines."""
        return " ".join(self.lines).split()

    @property
    def gap(self) -> float:
        """Dark seconds after it; infinity after the last."""
        return self.after.start - self.cue.end if self.after else float("inf")


Check = Callable[[Shown, Norms], str]


@dataclass(frozen=True)
class Rule:
    """A rule; ``check`` says in words how a cue breaks it, nothing if it does not.

    ``hard`` ones are never to break; ``pair``: it is a matter between a cue and the next.
    """

    name: str
    hard: bool
    pair: bool
    check: Check


RULES: list[Rule] = []


def _rule(name: str, *, hard: bool = False, pair: bool = False) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        RULES.append(Rule(name, hard, pair, check))
        return check

    return add


@_rule("lines", hard=True)
def _lines(shown: Shown, norms: Norms) -> str:
    return f"{len(shown.lines)} lines, at most {norms.max_lines}" if len(shown.lines) > norms.max_lines else ""


@_rule("line-length", hard=True)
def _line_length(shown: Shown, norms: Norms) -> str:
    longest = max((line for line in shown.lines if " " in line), key=len, default="")
    return f"a line of {len(longest)} characters, at most {norms.max_chars}" if len(longest) > norms.max_chars else ""


@_rule("order", hard=True)
def _order(shown: Shown, norms: Norms) -> str:
    late = shown.before.start - shown.cue.start if shown.before else 0.0
    return f"begins {late:.3f} s before the subtitle above it" if late > 0 else ""


@_rule("overlap", hard=True, pair=True)
def _overlap(shown: Shown, norms: Norms) -> str:
    both = min(shown.cue.end, shown.after.end) - shown.after.start if shown.after else 0.0
    return f"{both:.3f} s shown together with the next" if both > 0 and _in_order(shown) else ""


@_rule("no-time", hard=True)
def _no_time(shown: Shown, norms: Norms) -> str:
    return "ends when it begins, or before" if shown.seconds <= 0 else ""


@_rule("too-long", hard=True)
def _too_long(shown: Shown, norms: Norms) -> str:
    return _seconds("stands", shown.seconds, "at most", norms.max_seconds, shown.seconds - norms.max_seconds)


@_rule("too-short")
def _too_short(shown: Shown, norms: Norms) -> str:
    least = float(shortest_seconds(len(shown.words), norms)) if shown.words else 0.0
    missing = min(least, norms.max_seconds) - shown.seconds
    return _seconds("stands", shown.seconds, "at least", least, missing) if shown.seconds > 0 else ""


@_rule("too-fast")
def _too_fast(shown: Shown, norms: Norms) -> str:
    chars = len(" ".join(shown.lines))
    needed = float(reading_seconds(np.int64(chars), len(shown.words), norms))
    if shown.seconds <= 0 or needed - shown.seconds <= _ROUNDING:
        return ""
    by_words = needed > chars / norms.max_chars_per_second
    if by_words:
        return f"{60 * len(shown.words) / shown.seconds:.0f} words a minute, at most {norms.max_words_per_minute:g}"
    return f"{chars / shown.seconds:.1f} characters a second, at most {norms.max_chars_per_second:g}"


@_rule("gap", pair=True)
def _gap(shown: Shown, norms: Norms) -> str:
    missing = norms.gap - shown.gap
    return _seconds("followed after", shown.gap, "at least", norms.gap, missing) if shown.gap >= 0 else ""


@_rule("flicker", pair=True)
def _flicker(shown: Shown, norms: Norms) -> str:
    flickers = norms.gap + _ROUNDING < shown.gap < norms.min_dark - _ROUNDING
    return f"dark for {shown.gap:.3f} s, neither {norms.gap:.3f} s nor {norms.min_dark:g} s" if flickers else ""


@_rule("empty")
def _empty(shown: Shown, norms: Norms) -> str:
    return "" if shown.words else "holds no text"


@_rule("long-word")
def _long_word(shown: Shown, norms: Norms) -> str:
    longest = max((line for line in shown.lines if " " not in line), key=len, default="")
    return (
        f"a word of {len(longest)} characters, a line has {norms.max_chars}" if len(longest) > norms.max_chars else ""
    )


@_rule("orphan")
def _orphan(shown: Shown, norms: Norms) -> str:
    if len(shown.lines) < 2 or any(line.startswith(_DASHES) for line in shown.lines):
        return ""
    alone = [line for line in shown.lines if line and " " not in line and len(line) < norms.max_chars / 3]
    return f"{alone[0]!r} stands alone on its line" if alone else ""


@_rule("unbalanced")
def _unbalanced(shown: Shown, norms: Norms) -> str:
    if len(shown.lines) != 2 or any(line.startswith(_DASHES) for line in shown.lines):
        return ""
    top, bottom = map(len, shown.lines)
    return f"lines of {top} and {bottom} characters" if abs(top - bottom) > norms.max_chars * 0.6 else ""


@_rule("split-phrase", pair=True)
def _split_phrase(shown: Shown, norms: Norms) -> str:
    following = [plain(line).strip() for line in shown.after.lines] if shown.after and shown.gap < _NEAR else []
    texts = [line.split() for line in [*shown.lines, *following[:1]]]
    points = break_penalties([word for text in texts for word in text])
    edges = np.cumsum([len(text) for text in texts])[:-1]
    split = [int(edge) for edge in edges if 0 < edge < len(points) - 1 and points[edge] >= INSIDE_PHRASE]
    words = [word for text in texts for word in text]
    return f"parts {words[split[0] - 1]!r} from {words[split[0]]!r}" if split else ""


def _in_order(shown: Shown) -> bool:
    return shown.after is not None and shown.after.start >= shown.cue.start


def _seconds(what: str, is_now: float, bound: str, norm: float, excess: float) -> str:
    return f"{what} {is_now:.3f} s, {bound} {norm:.3f} s" if excess > _ROUNDING else ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A broken rule. ``cue`` counts from 1, ``start`` is that cue's in seconds; ``pair``: the next cue has a part."""

    rule: str
    hard: bool
    pair: bool
    cue: int
    start: float
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """All faults of a list of ``cues`` cues, in their order."""

    cues: int
    faults: tuple[Fault, ...]

    @property
    def hard(self) -> int:
        """How many hard rules break."""
        return sum(fault.hard for fault in self.faults)

    @property
    def soft(self) -> int:
        """How many soft rules break."""
        return len(self.faults) - self.hard

    @property
    def score(self) -> float:
        """Cues without any fault in a hundred."""
        return 100.0 * (1 - len({fault.cue for fault in self.faults}) / self.cues) if self.cues else 100.0

    def rules(self) -> dict[str, int]:
        """How often each rule breaks, those that do."""
        counts = Counter(fault.rule for fault in self.faults)
        return {rule.name: counts[rule.name] for rule in RULES if counts[rule.name]}

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        facts = {"cues": self.cues, "score": round(self.score, 1), "hard": self.hard, "soft": self.soft}
        return {**facts, "rules": self.rules(), "faults": [asdict(fault) for fault in self.faults]}


def lint(cues: Sequence[Cue], norms: Norms = NETFLIX) -> Report:
    """Judge cues in the order of their file."""
    return Report(len(cues), tuple(_faults(cues, norms)))


def _faults(cues: Sequence[Cue], norms: Norms) -> Iterator[Fault]:
    for number, shown in enumerate(map(Shown, cues, [None, *cues], [*cues[1:], None]), start=1):
        for rule in RULES:
            if message := rule.check(shown, norms):
                yield Fault(rule.name, rule.hard, rule.pair, number, shown.cue.start, message)
