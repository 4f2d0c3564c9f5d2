"""Lines of two times, as SubRip and WebVTT have them, and how other tools write them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from math import inf

from gptasr_subs.cues.markup import JOINER

# Marks of the direction of writing, which editors put before anything, and spaces of no width
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_DIGIT = "[0-9OoIl]"  # text recognition takes zeros and ones for letters
_LETTERS = str.maketrans("OoIl", "0011")
# Hours are optional and unlimited, digits may be missing, the fraction may follow a comma, a dot, a
# colon or a semicolon.
_TIME = (
    rf"([-−]?)(?:({_DIGIT}{{1,6}})\s?[:;]\s?)?({_DIGIT}{{1,2}})\s?[:;]\s?({_DIGIT}{{1,2}})"
    rf"(?:\s?[.,:;]\s?({_DIGIT}{{1,9}}))?(?!\w)"
)
_DASH = "[-‐‑‒–—―−]"
# Of a translating machine, of one who meant well, of HTML
_ARROW = rf"(?:(?:{_DASH}\s?){{1,4}}(?:>|&gt;)|[=~]{{1,2}}>|[→⇒➔➜⟶])"
_TIMING = re.compile(rf"\s*{_TIME}\s*{_ARROW}\s*(?:{_TIME}(\s.*)?)?")
# A mere dash is an arrow only between times that are no speech
_EXACT = rf"{_DIGIT}+[:;]{_DIGIT}{{2}}[:;]{_DIGIT}{{2}}[.,:;]{_DIGIT}{{1,3}}"
_DASHED = re.compile(rf"(\s*{_EXACT}\s*){_DASH}{{1,3}}(\s*{_EXACT}\s*)")
_DOTTED = re.compile(r"(?<![\d.])(\d{1,2})\.(\d{2})\.(\d{2})(?=[.,]\d)")
_PARTS = re.compile(rf"(.*?){_ARROW}(.*)")
_LIKE_TIME = re.compile(rf"\s*{_DIGIT}+\s?[:;.]\s?{_DIGIT}+[\s\d:;.,OoIl]*")


@dataclass(frozen=True, slots=True)
class Timing:
    """Two times in seconds and what stands behind them; infinity where the end is missing."""

    start: float
    end: float
    settings: str = ""


def parse_timing(line: str) -> Timing | None:
    """Return the times of a line that holds two of them, or one and an arrow, and no text."""
    if not _may_be_timing(line):
        return None
    line = _normal(line)
    found = _TIMING.fullmatch(line) or _TIMING.fullmatch(_DASHED.sub(r"\1-->\2", line))
    if not found:
        return None
    times = found.groups()
    end = to_seconds(*times[6:10], sign=times[5]) if times[7] else inf
    return Timing(to_seconds(*times[1:5], sign=times[0]), end, times[10] or "")


def is_timing(line: str) -> bool:
    """Return whether a line of text would be taken for two times."""
    return parse_timing(line) is not None


def is_broken_timing(line: str) -> bool:
    """Return whether a line was meant to be two times, which cannot be read."""
    parts = _PARTS.fullmatch(_normal(line)) if _may_be_timing(line) else None
    return (
        parts is not None and not is_timing(line) and any(map(_LIKE_TIME.fullmatch, parts.groups()))
    )


def as_text(line: str) -> str:
    """Put an invisible sign before a line of text that would be taken for times."""
    return JOINER + line if is_timing(line) or is_broken_timing(line) else line


def has_words(line: str) -> bool:
    """Return whether letters stand in a line of times that are no damaged digits."""
    return re.search(r"[^\W\d_OoIl]", line) is not None


def stray_words(settings: str) -> str:
    """Return what is text, not a setting such as ``X1:40``, in the rest of a line of times."""
    return " ".join(word for word in settings.split() if not re.fullmatch(r"[\w-]+:\S+", word))


def bare(line: str) -> str:
    """Return a line without invisible marks and the space around it."""
    return _INVISIBLE.sub("", line).strip()


def _may_be_timing(line: str) -> bool:
    if line.startswith(JOINER):  # it was written as text
        return False
    # Most lines are text, and this is much cheaper than the expressions
    return any(char in line for char in ">-→–—=⇒➔➜⟶−&‐‑‒―") and (
        ":" in line or ";" in line or "." in line or "：" in line
    )


def _normal(line: str) -> str:
    """Wide digits and signs as the usual ones."""
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", line))
    digits = (str(unicodedata.digit(char)) if char.isdecimal() else char for char in text)
    return _DOTTED.sub(r"\1:\2:\3", "".join(digits))


def to_seconds(
    hours: str | None,
    minutes: str | None,
    seconds: str | None,
    fraction: str | None,
    *,
    sign: str | None = None,
) -> float:
    """Return a time, given in digits, as seconds; one before the video's start is its start."""
    if sign:
        return 0.0
    whole = 3600 * _number(hours) + 60 * _number(minutes) + _number(seconds)
    # Parsed once, so that 1.981 is the same number as anywhere else
    return float(f"{whole}.{(fraction or '0').translate(_LETTERS)}")


def _number(digits: str | None) -> int:
    return int((digits or "0").translate(_LETTERS))


def format_time(seconds: float, separator: str) -> str:
    """``HH:MM:SS`` and milliseconds after the separator; hours may take three digits."""
    total, millis = divmod(milliseconds(seconds), 1000)
    return f"{total // 3600:02d}:{total // 60 % 60:02d}:{total % 60:02d}{separator}{millis:03d}"


def milliseconds(seconds: float) -> int:
    """Return whole milliseconds, never before the video's start."""
    return max(0, round(seconds * 1000))
