"""``gptasr-subs farm``: an archive of films on many machines."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gptasr_subs.cli.console import (
    INTERRUPTED,
    echo_error,
    handle_errors,
    show_error,
    write_stdout,
)
from gptasr_subs.cli.default_command import DEFAULT, DefaultCommand, DefaultGroup, PanelCommand
from gptasr_subs.cli.farm_display import Display, failures, summary
from gptasr_subs.cli.jobs import checked_glossaries, stopped_by_signals
from gptasr_subs.cli.norms import with_norms
from gptasr_subs.cli.options import (
    AudioTrack,
    BatchSize,
    Beams,
    Cast,
    CpusPerWorker,
    Device,
    Format,
    GlossaryFiles,
    GpusPerWorker,
    Lang,
    Model,
    Overwrite,
    Quiet,
    RayCluster,
    Tries,
    Verbose,
    Workers,
)
from gptasr_subs.cues.norms import Norms
from gptasr_subs.errors import plural

if TYPE_CHECKING:
    from gptasr_subs.farm.collection import Collected
    from gptasr_subs.farm.manifest import Manifest
    from gptasr_subs.jobs.queue import Queue

app = typer.Typer(
    cls=DefaultGroup, add_completion=False, rich_markup_mode=None, no_args_is_help=True
)


@app.callback()
def farm() -> None:
    """Subtitle an archive of films on many machines, with Ray."""


@with_norms
def run(
    inputs: Annotated[list[str], typer.Argument(metavar="FOLDERS_OR_FILES...", hidden=True)],
    ray: RayCluster = "auto",
    cpus_per_worker: CpusPerWorker = 1.0,
    gpus_per_worker: GpusPerWorker = 0.0,
    workers: Workers = 0,
    tries: Tries = 3,
    manifest: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Add a line of JSON to this file for each film."),
    ] = None,
    output_dir: Annotated[
        str, typer.Option(metavar="FOLDER", help="Write here, not beside the videos.")
    ] = "",
    format: Format = "srt",
    overwrite: Overwrite = False,
    lang: Lang = "en",
    audio_track: AudioTrack = "",
    model: Model = "default",
    device: Device = "auto",
    beams: Beams = 0,
    batch_size: BatchSize = 0,
    glossary: GlossaryFiles = None,
    cast: Cast = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    *,
    norms: Norms,
) -> None:
    """Write subtitles for all videos in folders, on all machines of a Ray cluster.

    All machines must know the folders by the same paths; or they are addresses such as
    s3://bucket/films. What was stopped goes on where it was when the command is run again.
    """
    with handle_errors(quiet, verbose):
        from gptasr_subs.cli.validation import check_options, parse_formats
        from gptasr_subs.farm.addresses import is_address
        from gptasr_subs.farm.cluster import Share, import_ray, joined
        from gptasr_subs.farm.driver import Farm
        from gptasr_subs.farm.manifest import open_manifest, settings_of
        from gptasr_subs.farm.subtitler import make_subtitler
        from gptasr_subs.jobs.queue import MEMORY, open_queue
        from gptasr_subs.pipeline.options import Options

        import_ray()  # before folders are searched
        into_address = is_address(output_dir)
        options = Options(
            formats=parse_formats(format),
            language=lang,
            output_dir=Path(output_dir).absolute() if output_dir and not into_address else None,
            overwrite=overwrite,
            audio_track=int(audio_track) if audio_track.isdecimal() else audio_track or None,
            batch_size=batch_size,
            beams=beams,
            norms=norms,
            glossary=tuple(checked_glossaries(glossary or ())),
            cast=cast,
        )
        check_options(options, model)
        share = Share(cpus_per_worker, gpus_per_worker)
        with (
            open_queue(MEMORY) as queue,
            open_manifest(manifest, settings_of(options, model)) as record,
        ):
            todo, missing = _collect(inputs, queue, record, overwrite=overwrite, verbose=verbose)
            if todo.known and not quiet:
                echo_error(f"{plural(todo.known, 'film')} done before with the same settings.")
            display = Display(record, todo, quiet)
            with (
                display.shown(),
                joined(ray, partial(make_subtitler, model, device, lang), share) as cluster,
            ):
                driver = Farm(
                    queue,
                    cluster,
                    options=options,
                    folder=output_dir if into_address else "",
                    report=display.report,
                    tries=tries,
                    workers=workers,
                    retry=False,
                )
                with stopped_by_signals(driver):
                    driver.run(until=display.refresh)
            left = queue.due()
        if not quiet:
            echo_error(summary(display.tally).rstrip())
        if left:
            echo_error(f"Stopped with {plural(left, 'film')} to do; run it again to go on.")
            raise typer.Exit(INTERRUPTED)
        if missing or display.tally.outcomes["failed"]:
            raise typer.Exit(1)


app.command(DEFAULT, cls=DefaultCommand, hidden=True, no_args_is_help=True)(run)


@app.command(cls=PanelCommand)
def report(
    manifest: Annotated[Path, typer.Argument(metavar="FILE", help="What --manifest wrote.")],
) -> None:
    """Sum up a manifest: outcomes, hours, each node, and why films failed."""
    with handle_errors(quiet=False, verbose=False):
        from gptasr_subs.farm.manifest import read_manifest
        from gptasr_subs.farm.tally import Tally

        tally = Tally()
        last = {entry.film: entry for entry in read_manifest(manifest)}
        for entry in last.values():
            tally.add(entry)
        write_stdout(summary(tally) + failures(last.values()))


def _collect(
    inputs: Iterable[str], queue: Queue, manifest: Manifest, *, overwrite: bool, verbose: bool
) -> tuple[Collected, int]:
    """Put all films into the queue; gives also how many inputs gave none (each was reported)."""
    from gptasr_subs.errors import GptasrError
    from gptasr_subs.farm.collection import Collected, add_films, films_at

    collected = Collected()
    failed = 0
    for place in inputs:
        try:
            add_films(queue, films_at(place), manifest, collected=collected, overwrite=overwrite)
        except GptasrError as error:
            show_error(error, verbose, Path(place))
            failed += 1
    return collected, failed
