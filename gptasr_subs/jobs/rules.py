"""Which videos of a queue or a watched folder get subtitles: rules in a fixed order, the first that
objects decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pathspec import GitIgnoreSpec

from gptasr_subs.errors import UsageError
from gptasr_subs.media.languages import same_language
from gptasr_subs.media.library import name_objection
from gptasr_subs.media.probe import BITMAP_SUBTITLES, MediaInfo, choose_track, probe
from gptasr_subs.media.sidecars import BURNED, existing_subtitles
from gptasr_subs.pipeline.options import Options
from gptasr_subs.pipeline.plan import make_plan
from gptasr_subs.storage.files import MIB, read_text

IGNORE_FILE = ".gptasrignore"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a person restricts: ``audio`` is a language that must be spoken.

    Lengths are seconds, sizes bytes.
    """

    audio: str = ""
    min_seconds: float = 0.0
    max_seconds: float = float("inf")
    min_bytes: int = 0
    max_bytes: float = float("inf")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says: its name, whether it lets the video pass, and why."""

    rule: str
    passed: bool
    reason: str


@dataclass(frozen=True)
class Candidate:
    """A media file and what is asked for; looked into only when a rule needs it.

    ``root``: the watched folder that it was found in; None where the file itself was named.
    """

    path: Path
    options: Options = field(default_factory=Options)
    limits: Limits = field(default_factory=Limits)
    root: Path | None = None

    @cached_property
    def info(self) -> MediaInfo:
        """What is in it; raises MediaError."""
        return probe(self.path)


def check_rules(candidate: Candidate) -> Iterator[Verdict]:
    """Ask the rules one by one, up to the first that objects.

    Raises MediaError where the video cannot be read.
    """
    for called, rule in RULES.items():
        passed, reason = rule(candidate)
        yield Verdict(called, passed, reason)
        if not passed:
            return


def decide(candidate: Candidate) -> Verdict:
    """Return the verdict that counts: that of the rule which objects, else that of the last one."""
    return list(check_rules(candidate))[-1]


def name(candidate: Candidate) -> tuple[bool, str]:
    """Refuse names and folders that are not those of finished media."""
    if candidate.root is None:
        return True, "it was named itself"
    objection = name_objection(candidate.path, candidate.root)
    return not objection, objection or "its name and folders are those of finished media"


def own_output(candidate: Candidate) -> tuple[bool, str]:
    """Refuse copies that we made."""
    if candidate.path.stem.endswith(BURNED):
        return False, f"it is a copy with subtitles in the picture ({BURNED})"
    return True, "it is no copy made by us"


def ignore_file(candidate: Candidate) -> tuple[bool, str]:
    """Refuse what an ignore file beside it or in a folder above names."""
    excluded_by = None
    for folder in reversed(candidate.path.absolute().parents):
        file = folder / IGNORE_FILE
        if file.is_file():
            spec = GitIgnoreSpec.from_lines(read_text(file).splitlines())
            result = spec.check_file(candidate.path.absolute().relative_to(folder).as_posix())
            if result.include is not None:  # a file further down has the last word, as with git
                excluded_by = file if result.include else None
    if excluded_by:
        return False, f"{str(excluded_by)!r} names it"
    return True, f"no {IGNORE_FILE} names it"


def size(candidate: Candidate) -> tuple[bool, str]:
    """Refuse files that are too small or too large."""
    size = candidate.path.stat().st_size if candidate.path.exists() else 0
    limits = candidate.limits
    fact = f"it has {size / MIB:.1f} MiB"
    if size < limits.min_bytes:
        return False, f"{fact}, fewer than the {limits.min_bytes / MIB:.1f} asked for"
    if size > limits.max_bytes:
        return False, f"{fact}, more than the {limits.max_bytes / MIB:.1f} allowed"
    return True, fact


def subtitle_file(candidate: Candidate) -> tuple[bool, str]:
    """Refuse videos whose subtitles are there."""
    options = candidate.options
    kinds = (True, False) if options.forced else (False,)
    there = [
        path
        for forced in kinds
        for path in existing_subtitles(
            candidate.path, options.language, forced=forced, directory=options.output_dir
        )
    ]
    if there and not (options.overwrite or options.embed or options.burn):
        return False, f"{there[0].name!r} is there already"
    if make_plan(candidate.path, options).is_done:
        return False, "all that is asked for is there already"
    return True, (
        f"no subtitle file of exactly this name in the language {options.language!r} "
        "stands in the way"
    )


def text_track(candidate: Candidate) -> tuple[bool, str]:
    """Refuse videos that hold a text track in the language."""
    options = candidate.options
    tracks = [
        track
        for track in candidate.info.subtitles
        if same_language(track.language, options.language) and track.codec not in BITMAP_SUBTITLES
    ]
    if tracks and not (options.overwrite or options.forced):
        codec = tracks[0].codec
        return False, f"it holds a text track in the language {options.language!r} ({codec})"
    return True, f"it holds no text track in the language {options.language!r}"


def spoken_language(candidate: Candidate) -> tuple[bool, str]:
    """Refuse videos in which another language is spoken than the one asked for."""
    options = candidate.options
    tracks = candidate.info.audio
    spoken = ", ".join(track.language or "unknown" for track in tracks)
    if not candidate.limits.audio:
        return True, f"any language is welcome ({spoken})"
    chosen = choose_track(candidate.info, options.audio_track, options.language)
    language = tracks[chosen].language
    return same_language(language, candidate.limits.audio), (
        f"its audio tracks are in: {spoken}; number {chosen}, in {language or 'unknown'}, would be "
        f"used; asked for is {candidate.limits.audio!r}"
    )


def length(candidate: Candidate) -> tuple[bool, str]:
    """Refuse what is too short or too long."""
    seconds = candidate.info.duration
    limits = candidate.limits
    fact = f"it lasts {seconds:.0f} s"
    if seconds and seconds < limits.min_seconds:
        return False, f"{fact}, less than the {limits.min_seconds:.0f} s asked for"
    if seconds > limits.max_seconds:
        return False, f"{fact}, more than the {limits.max_seconds:.0f} s allowed"
    return True, fact


# From the cheapest to the dearest; those from the text track on have to look into the video.
_IN_ORDER: tuple[Callable[[Candidate], tuple[bool, str]], ...] = (
    own_output,
    name,
    ignore_file,
    size,
    subtitle_file,
    text_track,
    spoken_language,
    length,
)
RULES = {rule.__name__.replace("_", " "): rule for rule in _IN_ORDER}


def parse_limits(audio: str = "", length: str = "", size: str = "") -> Limits:
    """Return limits of ``MIN-MAX`` texts, either end of which may be left out: minutes and MiB.

    Raises UsageError.
    """
    seconds = [60 * value for value in _range(length, "--length")]
    sizes = [MIB * value for value in _range(size, "--size")]
    return Limits(
        audio,
        min_seconds=seconds[0],
        max_seconds=seconds[1],
        min_bytes=int(sizes[0]),
        max_bytes=sizes[1],
    )


def _range(text: str, option: str) -> tuple[float, float]:
    low, dash, high = text.partition("-")
    try:
        values = float(low or 0), float(high or "inf")
    except ValueError:
        values = 1.0, 0.0
    if text and (not dash or not 0 <= values[0] <= values[1]):
        raise UsageError(f"{option} {text!r} is no range; write it like 5-240, 5- or -240.")
    return values if text else (0.0, float("inf"))
