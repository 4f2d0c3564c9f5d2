"""The norms of readable subtitles: one table, from which cues are shaped and by which files are
judged.

A field is a norm, its metadata the words of its flag on the command line; a preset is a set of
values. All times are seconds; infinity means no limit. What is counted in frames is meant for
moving pictures: a frame that stands longer than ``LONGEST_FRAME`` counts as that long.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any

from gptasr_subs.errors import UsageError

# Of moving pictures, in seconds. Slides and still pictures have frames of seconds or minutes, and
# two of those would be no gap but a hole in the text.
LONGEST_FRAME = 1 / 12


def _norm(value: float, words: str) -> Any:
    return field(default=value, metadata={"help": words})


@dataclass(frozen=True, slots=True)
class Norms:
    """What a cue keeps; the defaults are Netflix's for English.

    Raises UsageError where no cue could keep them.
    """

    max_chars: int = _norm(42, "Characters per line at most.")
    max_lines: int = _norm(2, "Lines per subtitle at most.")
    # 20 frames at 24 a second. Kept where the next cue leaves room.
    min_seconds: float = _norm(
        5 / 6, "Seconds a subtitle is shown at least, if the next one leaves room."
    )
    min_seconds_per_word: float = _norm(0.0, "The same for each of its words.")
    # Never exceeded; a single longer word is cut off at it.
    max_seconds: float = _norm(7.0, "Seconds a subtitle is shown at most.")
    # For adults, spaces included; 17 for children.
    max_chars_per_second: float = _norm(
        20.0, "Reading speed in characters per second (inf: no limit)."
    )
    max_words_per_minute: float = _norm(inf, "Reading speed in words per minute (inf: no limit).")
    # Empty frames between two cues, so that the eye sees a change.
    gap_frames: int = _norm(2, "Empty frames between two subtitles that follow closely.")
    # Netflix lets a cue stay half a second after the voice, for reading.
    lead_out: float = _norm(0.5, "Seconds a subtitle stays after the voice, for reading.")
    # A shorter gap flickers, so it is closed to ``gap_frames``.
    min_gap: float = _norm(0.5, "Shorter gaps than this flicker and are closed.")
    # No cue reaches across a silence of this length: the lead-out of one cue and a gap fit
    # into it, and text that shows earlier than this before its voice counts as too early.
    long_pause: float = _norm(1.0, "Silence that no subtitle reaches across.")
    # Farther away, a cue that starts with a cut of the picture would no longer start with its
    # voice.
    shot_frames: int = _norm(
        6, "With --shot-changes: a subtitle moves to a shot change at most this many frames away."
    )
    # A line of letters as a share of the picture's height, in formats that say how large text is.
    text_height: float = _norm(
        0.055, "Height of a line of text as a share of the picture's (ass, ttml)."
    )
    # Frames a second of the video. A fact and no norm, but gaps are counted in it.
    fps: float = 24.0

    def __post_init__(self) -> None:
        """Refuse norms that no cue can keep."""
        if self.max_chars < 1 or self.max_lines < 1:
            raise UsageError(
                "A cue needs room for at least one character and one line; "
                "raise --max-chars or --max-lines."
            )
        positive = (
            self.min_seconds,
            self.max_chars_per_second,
            self.max_words_per_minute,
            self.fps,
            self.long_pause,
            self.text_height,
        )
        if not all(norm > 0 for norm in positive):  # nor is NaN
            raise UsageError(
                "A cue's shortest duration, speeds, frame rate, long pause and text "
                "must be above 0."
            )
        rests = (
            self.min_seconds_per_word,
            self.gap_frames,
            self.lead_out,
            self.min_gap,
            self.shot_frames,
        )
        if not (self.max_seconds >= self.min_seconds and all(norm >= 0 for norm in rests)):
            raise UsageError(
                "A cue's longest duration must reach its shortest, and its gaps cannot be negative."
            )

    @property
    def frame(self) -> float:
        """Seconds that a frame counts, at most ``LONGEST_FRAME``."""
        return min(1 / self.fps, LONGEST_FRAME)

    @property
    def gap(self) -> float:
        """Seconds between two cues that follow closely."""
        return self.gap_frames * self.frame

    @property
    def shot_radius(self) -> float:
        """Seconds by which a cue may move to a cut of the picture."""
        return self.shot_frames * self.frame


NETFLIX = Norms()

# The BBC's guidelines: 160 to 180 words a minute and about 0.3 s a word; a gap of a second or more,
# or none. A cue never lingers over 1.5 s, so that a lead-out and a gap fit into a silence of that
# length.
BBC = Norms(
    max_chars=37,
    min_seconds=0.3,
    min_seconds_per_word=0.3,
    max_chars_per_second=inf,
    max_words_per_minute=180.0,
    gap_frames=0,
    min_gap=1.0,
    long_pause=1.5,
)

# Our own, for videos watched on a telephone: one short line in large letters that keeps pace with
# the voice.
SOCIAL = Norms(
    max_chars=24, max_lines=1, min_seconds=0.5, max_seconds=3.0, lead_out=0.3, text_height=0.09
)

PRESETS = {"netflix": NETFLIX, "bbc": BBC, "social": SOCIAL}
