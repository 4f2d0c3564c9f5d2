"""``gptasr-subs lint`` and ``gptasr-subs fix``: check subtitle files by the norms, and fix them."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gptasr_subs.cli.console import (
    display_path,
    echo_error,
    handle_errors,
    show_error,
    write_stdout,
)
from gptasr_subs.cli.norms import Fps, with_norms
from gptasr_subs.cli.options import AsJson, Device, Model, OverwriteOutput, Quiet, Verbose
from gptasr_subs.cli.progress import place_in_media, progress
from gptasr_subs.cues.norms import NETFLIX, Norms
from gptasr_subs.errors import plural

if TYPE_CHECKING:
    from gptasr_subs.cues.lint import Report
    from gptasr_subs.types import Cue

_log = logging.getLogger(__name__)


@with_norms
def lint(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES...", help="Subtitle files of any kind that has times."),
    ],
    fps: Fps = NETFLIX.fps,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the summaries only.")] = False,
    verbose: Verbose = False,
    *,
    norms: Norms,
) -> None:
    """Check subtitle files against a preset: each broken rule with its place, then a summary.

    The exit code is 1 if there is an error.
    """
    with handle_errors(False, verbose):
        from gptasr_subs.cues.lint import lint
        from gptasr_subs.errors import FormatError
        from gptasr_subs.formats import read

        norms = replace(norms, fps=fps)
        reports: dict[Path, Report] = {}
        for file in files:
            try:
                reports[file] = lint(read(file), norms)
            except FormatError as error:
                show_error(error, verbose, file)
        if as_json:
            sums = {
                "errors": sum(report.errors for report in reports.values()),
                "warnings": sum(report.warnings for report in reports.values()),
                "files": [
                    {"file": str(file), **report.to_dict()} for file, report in reports.items()
                ],
            }
            write_stdout(json.dumps(sums, ensure_ascii=False, indent=2) + "\n")
        else:
            write_stdout("".join(_page(file, report, quiet) for file, report in reports.items()))
        if len(reports) < len(set(files)) or any(report.errors for report in reports.values()):
            raise typer.Exit(1)


@with_norms
def fix(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A subtitle file of any kind that has times.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write this file (- for stdout)."),
    ] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Replace the file itself.")] = False,
    overwrite: OverwriteOutput = False,
    video: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The video, by whose audio the subtitles are timed first."
        ),
    ] = None,
    fps: Fps = NETFLIX.fps,
    model: Model = "default",
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
    *,
    norms: Norms,
) -> None:
    """Bring a subtitle file within the norms: movie.en.srt gives movie.en.fixed.srt.

    No word is changed, and subtitles that break no rule stay as they are.
    """
    with handle_errors(quiet, verbose):
        from gptasr_subs.cli.validation import STDOUT
        from gptasr_subs.cues.lint import lint
        from gptasr_subs.cues.repair import fix_cues
        from gptasr_subs.formats import Document, read_with_remarks, render
        from gptasr_subs.storage.files import keep_copy, write_atomically

        norms = replace(norms, fps=fps)
        target = _target(file, output, in_place, overwrite)
        reading = read_with_remarks(file)
        cues = reading.cues
        for remark in reading.remarks:
            _log.warning("%s: %s", display_path(file), remark)
        timed = (
            _timed_by(video, file, cues=cues, model=model, device=device, quiet=quiet)
            if video
            else cues
        )
        fixed = fix_cues(timed, norms)
        text = render(Document(tuple(fixed)), (file if target == STDOUT else target).suffix)
        if target == STDOUT:
            write_stdout(text)
        else:
            if reading.remarks and target.exists() and target.samefile(file):
                _log.warning("The file as it was is kept as %s.", display_path(keep_copy(file)))
            write_atomically(target, text)
        if not quiet:
            before = lint(cues, norms)
            after = lint(fixed, norms)
            written = display_path(target if target != STDOUT else file)
            echo_error(f"{written}: {_count(after)}; before, {_count(before)}.")


def _timed_by(
    video: Path, file: Path, cues: list[Cue], model: str, device: str, quiet: bool
) -> list[Cue]:
    """Return the cues at the times of their voices."""
    from gptasr_subs.align.known_text import compute_emissions
    from gptasr_subs.align.retiming import align_cues
    from gptasr_subs.cli.align import say_timed
    from gptasr_subs.recognition.loading import load_model

    with progress(display_path(Path(video.name)), place_in_media(), quiet) as update:
        emissions = compute_emissions(video, load_model(model, device), on_progress=update)
    timed = align_cues(cues, emissions, each=True)
    if not quiet:
        say_timed(timed, display_path(file))
    return list(timed.cues)


def _target(file: Path, output: Path | None, in_place: bool, overwrite: bool) -> Path:
    """Return the file to write. Raises UsageError or OutputError rather than lose one that is
    there.
    """
    from gptasr_subs.cli.validation import STDOUT
    from gptasr_subs.errors import UsageError
    from gptasr_subs.storage.files import refuse_existing

    if in_place and output:
        raise UsageError("--in-place and --output name two files to write; choose one.")
    target = file if in_place else output or file.with_name(f"{file.stem}.fixed{file.suffix}")
    if target != STDOUT and not (in_place or overwrite):
        refuse_existing(target)
    return target


def _page(file: Path, report: Report, quiet: bool) -> str:
    """Return lines for people: the violations, the sums, the rules."""
    from gptasr_subs.formats.times import format_time

    lines = []
    for violation in () if quiet else report.violations:
        place = f"{display_path(file)}:{violation.cue} {format_time(violation.start, '.')}"
        lines.append(f"{place} {violation.severity} {violation.rule}: {violation.message}")
    rules = "".join(f"\n  {count:5d}  {name}" for name, count in report.rules().items())
    subtitles = plural(report.cues, "subtitle")
    if not report.cues:
        return f"{display_path(file)}: no subtitles.\n"
    clean = f"{report.score:.0f} % of them without"
    lines.append(f"{display_path(file)}: {_count(report)} in {subtitles}, {clean}{rules}")
    return "".join(f"{line}\n" for line in lines)


def _count(report: Report) -> str:
    return f"{plural(report.errors, 'error')} and {plural(report.warnings, 'warning')}"
