"""What is asked for, how far the work is, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gptasr_subs.cues.norms import NETFLIX, Norms
from gptasr_subs.formats import Document, Style


@dataclass(frozen=True, slots=True)
class Options:
    """What to write and where. ``output`` names one file and its format.

    Else one sidecar a format is written. ``embed`` puts a track into the video, ``burn`` draws the
    text into a copy of it; see the modules of ``outputs``. ``journal``: keep on disk what is
    recognised, and take from there what was. ``start``: seconds at which to begin; what
    is before comes last. ``progressive``: write the files again and again while they grow. ``top``
    places the text at the top of the picture; ``shot_changes`` has cues begin and end with near
    cuts. ``glossary`` are files of words to expect; ``cast``: expect the names in .nfo files, too,
    and ``names`` are further ones.
    """

    formats: tuple[str, ...] = ("srt",)
    language: str = "en"
    output: Path | None = None
    output_dir: Path | None = None
    overwrite: bool = False
    audio_track: int | str | None = None
    batch_size: int = 0
    beams: int = 0
    norms: Norms = NETFLIX
    sdh: bool = False
    forced: bool = False
    embed: bool = False
    burn: bool = False
    burn_quality: int = 20
    burn_style: str = "outline"
    journal: bool = True
    style: Style = field(default_factory=Style)
    top: bool = False
    shot_changes: bool = False
    start: float = 0.0
    progressive: bool = False
    glossary: tuple[Path, ...] = ()
    cast: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work is: ``done`` of ``total`` seconds of the video.

    ``stage`` says what is done with it in a few words, nothing for the recognition.
    """

    done: float
    total: float
    stage: str = ""


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one media file.

    ``written`` are new files, ``kept`` are ones that stood there already. The media file itself is
    among the former if a track was put into it, among the latter if it had one. ``ready`` is the
    subtitle file of which the text was taken instead of recognising it.
    """

    media: Path
    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    document: Document | None = None
    seconds: float = 0.0
    elapsed: float = 0.0
    ready: Path | None = None

    @property
    def rtfx(self) -> float:
        """Seconds of video for each second of work."""
        return self.seconds / self.elapsed if self.elapsed > 0 else 0.0
