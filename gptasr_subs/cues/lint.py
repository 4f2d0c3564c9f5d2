"""What breaks the norms in a list of cues: one short function a rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, Literal

import numpy as np

from gptasr_subs.cues.linebreaks import INSIDE_PHRASE, break_penalty
from gptasr_subs.cues.markup import plain
from gptasr_subs.cues.norms import NETFLIX, Norms
from gptasr_subs.cues.repeats import is_double, rolling_chains
from gptasr_subs.cues.timing import reading_seconds, shortest_seconds
from gptasr_subs.types import Cue

_ROUNDING = 0.0101  # seconds: some formats count hundredths, and no eye sees less
_NEAR = 0.5  # seconds of silence over which a phrase may go on
_DASHES = ("-", "–", "—", "‐", "‑")


@dataclass(frozen=True)
class CueContext:
    """A cue as a viewer meets it: between its neighbours, without markup.

    ``before`` stands above it in the file, ``after`` is the next one in its place on the screen,
    but for doubles. ``covering`` still stands there when it begins, though not next to it, and
    ``double`` with the same text. From here on ``rolling`` cues repeat what the one before showed.
    """

    cue: Cue
    before: Cue | None = None
    after: Cue | None = None
    covering: Cue | None = None
    double: Cue | None = None
    rolling: int = 0

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
        """Seconds until the next one; infinity after the last."""
        return self.after.start - self.cue.end if self.after else float("inf")


Check = Callable[[CueContext, Norms], str]
Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Rule:
    """A rule; ``check`` says in words how a cue breaks it, nothing where it does not.

    An "error" must never be; a "warning" can be unavoidable. ``pair``: it is a matter between a cue
    and the next.
    """

    name: str
    severity: Severity
    pair: bool
    check: Check


RULES: list[Rule] = []


def _rule(
    severity: Severity = "warning", pair: bool = False, name: str = ""
) -> Callable[[Check], Check]:
    """Register a rule, which is called like its function unless it has a ``name``."""

    def add(check: Check) -> Check:
        called = name or check.__name__.replace("_", "-")
        RULES.append(Rule(called, severity, pair=pair, check=check))
        return check

    return add


@_rule(severity="error")
def lines(context: CueContext, norms: Norms) -> str:
    """Report too many lines."""
    count = len(context.lines)
    return f"{count} lines, at most {norms.max_lines}" if count > norms.max_lines else ""


@_rule(severity="error")
def line_length(context: CueContext, norms: Norms) -> str:
    """Report a line of several words that has too many characters."""
    longest = max((len(line) for line in context.lines if " " in line), default=0)
    if longest <= norms.max_chars:
        return ""
    return f"a line of {longest} characters, at most {norms.max_chars}"


@_rule(severity="error")
def order(context: CueContext, norms: Norms) -> str:
    """Report a cue that begins before the one above it in the file."""
    late = context.before.start - context.cue.start if context.before else 0.0
    return f"begins {late:.3f} s before the subtitle above it" if late > 0 else ""


@_rule(severity="error", pair=True)
def overlap(context: CueContext, norms: Norms) -> str:
    """Report a cue that is shown together with another in its place."""
    if context.covering:
        return f"shown together with the subtitle of {context.covering.start:.3f} s"
    if context.after is None or context.after.start < context.cue.start:
        return ""
    if context.after.start >= context.cue.end:
        return ""
    both = min(context.cue.end, max(context.after.start, context.after.end)) - context.after.start
    return f"{both:.3f} s shown together with the next"


@_rule(severity="error")
def double(context: CueContext, norms: Norms) -> str:
    """Report text that is shown twice at one time."""
    if context.double is None:
        return ""
    return f"the same text as that of {context.double.start:.3f} s, which still stands there"


@_rule()
def rolling(context: CueContext, norms: Norms) -> str:
    """Report where captions begin to roll: each repeats what the one before it showed."""
    if not context.rolling:
        return ""
    return f"repeats the text before it, as {context.rolling} subtitles do from here on"


@_rule(severity="error")
def no_time(context: CueContext, norms: Norms) -> str:
    """Report a cue that ends when it begins, or before."""
    return "ends when it begins, or before" if context.seconds <= 0 else ""


@_rule(severity="error")
def too_long(context: CueContext, norms: Norms) -> str:
    """Report a cue that stands too long."""
    if context.seconds - norms.max_seconds <= _ROUNDING:
        return ""
    return f"stands {context.seconds:.3f} s, at most {norms.max_seconds:.3f} s"


@_rule()
def too_short(context: CueContext, norms: Norms) -> str:
    """Report a cue that stands too briefly to be seen."""
    least = float(shortest_seconds(len(context.words), norms)) if context.words else 0.0
    missing = min(least, norms.max_seconds) - context.seconds
    if context.seconds <= 0 or missing <= _ROUNDING:
        return ""
    return f"stands {context.seconds:.3f} s, at least {least:.3f} s"


@_rule()
def too_fast(context: CueContext, norms: Norms) -> str:
    """Report a cue that stands too briefly to be read."""
    chars = len(" ".join(context.lines))
    needed = float(reading_seconds(np.int64(chars), len(context.words), norms))
    if context.seconds <= 0 or needed - context.seconds <= _ROUNDING:
        return ""
    if needed > chars / norms.max_chars_per_second:  # by its words
        words_per_minute = 60 * len(context.words) / context.seconds
        return f"{words_per_minute:.0f} words a minute, at most {norms.max_words_per_minute:g}"
    speed = chars / context.seconds
    return f"{speed:.1f} characters a second, at most {norms.max_chars_per_second:g}"


@_rule(pair=True)
def gap(context: CueContext, norms: Norms) -> str:
    """Report a cue that the next one follows too closely."""
    if context.gap < 0 or norms.gap - context.gap <= _ROUNDING:
        return ""
    return f"followed after {context.gap:.3f} s, at least {norms.gap:.3f} s"


@_rule(pair=True)
def flicker(context: CueContext, norms: Norms) -> str:
    """Report a gap before the next cue that is neither closed nor wide."""
    if not norms.gap + _ROUNDING < context.gap < norms.min_gap - _ROUNDING:
        return ""
    return f"a gap of {context.gap:.3f} s, neither {norms.gap:.3f} s nor {norms.min_gap:g} s"


@_rule()
def empty(context: CueContext, norms: Norms) -> str:
    """Report a cue without text."""
    return "" if context.words else "holds no text"


@_rule()
def long_word(context: CueContext, norms: Norms) -> str:
    """Report a word that is longer than a line."""
    longest = max((len(line) for line in context.lines if " " not in line), default=0)
    if longest <= norms.max_chars:
        return ""
    return f"a word of {longest} characters, a line has {norms.max_chars}"


@_rule()
def orphan(context: CueContext, norms: Norms) -> str:
    """Report a short word that stands alone on its line."""
    if len(context.lines) < 2 or any(line.startswith(_DASHES) for line in context.lines):
        return ""
    for line in context.lines:
        if line and " " not in line and len(line) < norms.max_chars / 3:
            return f"{line!r} stands alone on its line"
    return ""


@_rule()
def unbalanced(context: CueContext, norms: Norms) -> str:
    """Report two lines of very different length."""
    if len(context.lines) != 2 or any(line.startswith(_DASHES) for line in context.lines):
        return ""
    top, bottom = map(len, context.lines)
    uneven = abs(top - bottom) > norms.max_chars * 0.6
    return f"lines of {top} and {bottom} characters" if uneven else ""


@_rule()
def split_phrase(context: CueContext, norms: Norms) -> str:
    """Report a line that ends inside a phrase."""
    return next(filter(None, _splits(context)[: len(context.lines) - 1]), "")


@_rule(pair=True, name="split-phrase")
def split_before_next(context: CueContext, norms: Norms) -> str:
    """Report a cue that ends inside a phrase which goes on in the next."""
    return next(filter(None, _splits(context)[len(context.lines) - 1 :]), "")


def _splits(context: CueContext) -> list[str]:
    """Return what each line break parts, the one before the next cue included."""
    lines = context.lines
    if context.after and context.gap < _NEAR:  # the phrase may go on in the next cue
        lines = [*lines, *map(plain, context.after.lines[:1])]
    texts = [line.split() for line in lines]
    words = [word for text in texts for word in text]
    return [
        f"parts {words[edge - 1]!r} from {words[edge]!r}"
        if 0 < edge < len(words) and break_penalty(words, edge) >= INSIDE_PHRASE
        else ""
        for edge in accumulate(map(len, texts[:-1]))
    ]


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule. ``cue`` counts from 1, ``start`` is that cue's in seconds.

    ``pair``: the next cue has a part.
    """

    rule: str
    severity: Severity
    pair: bool
    cue: int
    start: float
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """All violations in a list of ``cues`` cues, in their order."""

    cues: int
    violations: tuple[Violation, ...]

    @property
    def errors(self) -> int:
        """How many violations are errors."""
        return sum(violation.severity == "error" for violation in self.violations)

    @property
    def warnings(self) -> int:
        """How many violations are warnings."""
        return len(self.violations) - self.errors

    @property
    def score(self) -> float:
        """Cues without any violation in a hundred."""
        broken = len({violation.cue for violation in self.violations})
        return 100.0 * (1 - broken / max(1, self.cues))

    def rules(self) -> dict[str, int]:
        """Return how often each rule breaks, those that do."""
        counts = Counter(violation.rule for violation in self.violations)
        return {rule.name: counts[rule.name] for rule in RULES if counts[rule.name]}

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "cues": self.cues,
            "score": round(self.score, 1),
            "errors": self.errors,
            "warnings": self.warnings,
            "rules": self.rules(),
            "violations": [asdict(violation) for violation in self.violations],
        }


def lint(cues: Sequence[Cue], norms: Norms = NETFLIX) -> Report:
    """Check cues, in the order of their file, by all rules."""
    violations = [
        Violation(
            rule.name,
            severity=rule.severity,
            pair=rule.pair,
            cue=number,
            start=context.cue.start,
            message=message,
        )
        for number, context in enumerate(_contexts(cues), start=1)
        for rule in RULES
        if (message := rule.check(context, norms))
    ]
    return Report(len(cues), tuple(violations))


def _contexts(cues: Sequence[Cue]) -> list[CueContext]:
    """Return each cue among those of its place on the screen, in the order of the file."""
    befores = [None, *cues][: len(cues)]
    contexts = [CueContext(cue, before) for cue, before in zip(cues, befores, strict=True)]
    for place in {cue.position for cue in cues}:
        numbers = [number for number, cue in enumerate(cues) if cue.position == place]
        own = _contexts_in_place([cues[number] for number in numbers])
        for number, context in zip(numbers, own, strict=True):
            contexts[number] = replace(context, before=contexts[number].before)
    return contexts


def _contexts_in_place(cues: Sequence[Cue]) -> Iterator[CueContext]:
    """Yield the cues of one place on the screen, each with what disturbs it there."""
    chains = {chain.first + 1: chain.last - chain.first for chain in rolling_chains(cues)}
    longest: Cue | None = None  # of those above the one right above
    shown: dict[str, Cue] = {}
    for index, cue in enumerate(cues):
        following = (cues[k] for k in range(index + 1, len(cues)))
        text = " ".join(plain(cue.text).split())
        same = shown.get(text)
        double = same if same and is_double(same, cue) else None
        covers = longest is not None and longest.start <= cue.start < longest.end
        yield CueContext(
            cue,
            after=next((other for other in following if not is_double(cue, other)), None),
            covering=longest if covers and not double else None,
            double=double,
            rolling=chains.get(index, 0),
        )
        shown[text] = cue if same is None or cue.end > same.end else same
        above = cues[index - 1] if index else None
        if above and (longest is None or above.end > longest.end):
            longest = above
