"""What is to be done with one media file: which files are wanted, and which are there already."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from gptasr_subs.errors import OutputError
from gptasr_subs.formats import get_format, is_readable
from gptasr_subs.media.sidecars import existing_subtitles, sidecar_path
from gptasr_subs.outputs.burning import burned_path
from gptasr_subs.outputs.embedding import Track, embedded_track
from gptasr_subs.pipeline.options import Options


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done with one media file: subtitle files by format, a track in it, a copy with
    text in the picture.

    ``kept`` is what is there already; ``ready`` a subtitle file that makes recognising it again
    needless.
    """

    wanted: dict[str, Path]
    kept: tuple[Path, ...]
    embed: bool = False
    burned: Path | None = None
    ready: Path | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.wanted or self.embed or self.burned)

    @property
    def needs_model(self) -> bool:
        """Whether the video has to be listened to."""
        return not (self.is_done or self.ready)

    def outputs(self, media: Path) -> tuple[Path, ...]:
        """All files that will be written."""
        paths = list(self.wanted.values())
        if self.embed:
            paths.append(media)
        if self.burned:
            paths.append(self.burned)
        return tuple(paths)


def make_plan(media: Path, options: Options) -> Plan:
    """See what is there already.

    Raises MediaError where a track is to go into a file that can have none.
    """
    wanted: dict[str, Path] = {}
    kept: list[Path] = []
    for name, target in target_paths(media, options).items():
        if _is_kept(target, options):
            kept.append(target)
        else:
            wanted[name] = target
    embed = options.embed
    if embed and embedded_track(media, embedded_as(options)) and not options.overwrite:
        embed = False
        kept.append(media)
    burned = burned_path(media, options.output_dir) if options.burn else None
    if burned and _is_kept(burned, options):
        kept.append(burned)
        burned = None
    plan = Plan(wanted, tuple(kept), embed=embed, burned=burned)
    if wanted or plan.is_done:
        return plan
    return replace(plan, ready=_ready_subtitles(media, options))


def embedded_as(options: Options) -> Track:
    """The track that the options ask for."""
    return Track(options.language, options.sdh, options.forced)


def _is_kept(target: Path, options: Options) -> bool:
    """Whether the file is there already and is to stay."""
    # Unlike Path.exists, this is plain False where a name is too long or a folder is closed to us.
    return not options.overwrite and os.path.exists(target)  # noqa: PTH110


def target_paths(media: Path, options: Options) -> dict[str, Path]:
    """The file each format goes to; raises FormatError for a format that is not known."""
    if options.output:
        return {get_format(options.output.suffix).name: options.output}
    return {
        name: sidecar_path(
            media,
            options.language,
            get_format(name).extension,
            sdh=options.sdh,
            forced=options.forced,
            directory=options.output_dir,
        )
        for name in options.formats
    }


def refuse_unwritable(targets: Iterable[Path]) -> None:
    """Raise OutputError where a folder cannot take its file: before the long work, not after it."""
    for folder in {target.parent for target in targets}:
        if not folder.is_dir():
            raise OutputError(f"The folder {str(folder)!r} does not exist; create it or choose another --output-dir.")
        if not os.access(folder, os.W_OK):
            raise OutputError(f"The folder {str(folder)!r} is not writable; choose another with --output-dir.")


def _ready_subtitles(media: Path, options: Options) -> Path | None:
    """A subtitle file of the video, perhaps corrected by hand, whose text can go into the video."""
    if options.overwrite:
        return None
    there = existing_subtitles(media, options.language, forced=options.forced, directory=options.output_dir)
    return next(filter(is_readable, there), None)
