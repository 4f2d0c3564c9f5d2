"""What is to be done with one media file: which files are wanted, and which are there already."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gptasr_subs.errors import OutputError, SharedNameError
from gptasr_subs.formats import get_format, is_readable
from gptasr_subs.media.sidecars import existing_subtitles, sidecar_path
from gptasr_subs.outputs.burning import burned_path, require_picture
from gptasr_subs.outputs.embedding import Track, embedded_track
from gptasr_subs.pipeline.options import Options


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done with one media file: subtitle files by format, a track, a burned copy.

    ``kept`` is what is there already; ``ready`` a subtitle file whose text is taken instead of
    recognising it again.
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
        """Whether the video has to be recognised."""
        return not (self.is_done or self.ready)

    def outputs(self, media: Path) -> tuple[Path, ...]:
        """Return all files that will be written."""
        paths = list(self.wanted.values())
        if self.embed:
            paths.append(media)
        if self.burned:
            paths.append(self.burned)
        return tuple(paths)


def make_plan(media: Path, options: Options) -> Plan:
    """See what is there already.

    Raises MediaError where a track is to go into a file that can have none, or text into a picture
    where there is none.
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
    if burned:
        require_picture(media)
    plan = Plan(wanted, tuple(kept), embed=embed, burned=burned)
    if wanted or plan.is_done or options.overwrite:
        return plan
    # A subtitle file of the video, perhaps corrected by hand, is what goes into the video.
    there = existing_subtitles(
        media, options.language, forced=options.forced, directory=options.output_dir
    )
    return replace(plan, ready=next(filter(is_readable, there), None))


def embedded_as(options: Options) -> Track:
    """Return the track that the options ask for."""
    return Track(options.language, options.sdh, options.forced)


def refuse_shared(media: Path, others: Iterable[Path], options: Options) -> None:
    """Raise SharedNameError where one of the others would be written to the same file."""
    names = {target.absolute(): target for target in output_paths(media, options)}
    for other in others:
        if other.stem != media.stem or other.absolute() == media.absolute():
            continue
        shared = [
            names[path]
            for path in map(Path.absolute, output_paths(other, options))
            if path in names
        ]
        if shared:
            advice = (
                "give each folder its own --output-dir"
                if options.output_dir
                else "rename one of them"
            )
            raise SharedNameError(
                f"{str(media)!r} would be written to the same {shared[0].name!r} as"
                f" {str(other)!r}; {advice}."
            )


def output_paths(media: Path, options: Options) -> list[Path]:
    """Return all files asked for besides a change of the media file, there already or not."""
    targets = list(target_paths(media, options).values())
    return [*targets, burned_path(media, options.output_dir)] if options.burn else targets


def _is_kept(target: Path, options: Options) -> bool:
    """Return whether the file is there already and is to stay."""
    # Unlike Path.exists, this is plain False where a name is too long or a folder is closed to us.
    return not options.overwrite and os.path.exists(target)  # noqa: PTH110


def target_paths(media: Path, options: Options) -> dict[str, Path]:
    """Return the file each format goes to; raises FormatError for a format that is not known."""
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
    paths = list(targets)
    for folder in {target.parent for target in paths}:
        if not folder.is_dir():
            raise OutputError(
                f"The folder {str(folder)!r} does not exist;"
                " create it or choose another --output-dir."
            )
        if not os.access(folder, os.W_OK):
            raise OutputError(
                f"The folder {str(folder)!r} is not writable; choose another with --output-dir."
            )
    for target in paths:
        limit = sys.maxsize  # bytes of a name
        with suppress(AttributeError, OSError, ValueError):  # where the system does not tell
            limit = os.pathconf(target.parent, "PC_NAME_MAX")
        if len(os.fsencode(target.name)) > limit:
            raise OutputError(
                f"{str(target)!r} cannot be written: the name is too long for this disk; "
                "choose a shorter one with --output."
            )
