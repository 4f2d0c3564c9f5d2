"""``gptasr-subs watch`` and ``explain``: folders whose videos get subtitles, and why or why not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gptasr_subs.cli.console import display_path, echo_error, handle_errors, write_stdout
from gptasr_subs.cli.jobs import Reporter, make_options, open_worker, stopped_by_signals
from gptasr_subs.cli.options import (
    Cast,
    CpusPerWorker,
    Device,
    Format,
    GlossaryFiles,
    GpusPerWorker,
    Lang,
    Length,
    Model,
    NewestFirst,
    OnDone,
    OnError,
    OnlyIfAudio,
    OutputDir,
    Overwrite,
    Quiet,
    RayCluster,
    Size,
    Verbose,
)


def watch(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...")],
    poll: Annotated[
        bool, typer.Option("--poll", help="Look every few seconds: for network shares.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="End when all that is there is done.")
    ] = False,
    settle: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="A file is complete when unchanged for so long."
        ),
    ] = 10.0,
    format: Format = "srt",
    lang: Lang = "en",
    output_dir: OutputDir = None,
    overwrite: Overwrite = False,
    model: Model = "default",
    device: Device = "auto",
    only_if_audio: OnlyIfAudio = "",
    length: Length = "",
    size: Size = "",
    newest_first: NewestFirst = False,
    glossary: GlossaryFiles = None,
    cast: Cast = False,
    on_done: OnDone = "",
    on_error: OnError = "",
    ray: RayCluster = "",
    cpus_per_worker: CpusPerWorker = 1.0,
    gpus_per_worker: GpusPerWorker = 0.0,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write subtitles for all videos in folders and below, and for those that will arrive."""
    with handle_errors(quiet, verbose):
        from gptasr_subs.jobs.arrivals import Arrivals
        from gptasr_subs.jobs.queue import open_queue, queue_path
        from gptasr_subs.jobs.rules import parse_limits
        from gptasr_subs.jobs.watcher import POLL_SECONDS, Watcher

        options = make_options(
            format, lang, output_dir, overwrite, glossary=glossary or (), cast=cast
        )
        limits = parse_limits(only_if_audio, length, size)
        arrivals = Arrivals(settle, patience=max(60.0, 3 * settle) if not once else 3 * settle)
        watcher = Watcher(
            *(folders, queue_path()),
            options=options,
            limits=limits,
            arrivals=arrivals,
            poll=POLL_SECONDS if poll else 0.0,
            tick=min(1.0, settle / 4 + 0.05),
        )
        reporter = Reporter(quiet)
        with (
            open_queue() as queue,
            open_worker(
                queue,
                (model, device, lang),
                options=options,
                limits=limits,
                hooks=(on_done, on_error),
                report=reporter,
                newest_first=newest_first,
                ray=ray,
                share=(cpus_per_worker, gpus_per_worker),
            ) as worker,
            stopped_by_signals(worker),
        ):
            watcher.start()
            try:
                if not quiet:
                    echo_error(f"Watching {', '.join(map(display_path, folders))}.")
                if once:
                    worker.run(until=watcher.is_idle, longest_wait=0.2)
                else:
                    worker.run(until=lambda: False, longest_wait=1.0)
            finally:
                watcher.stop()
        if once:
            reporter.end()


def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    format: Format = "srt",
    lang: Lang = "en",
    output_dir: OutputDir = None,
    overwrite: Overwrite = False,
    only_if_audio: OnlyIfAudio = "",
    length: Length = "",
    size: Size = "",
    verbose: Verbose = False,
) -> None:
    """Say whether the queue or a watched folder would subtitle a file, and which rule decides."""
    with handle_errors(quiet=False, verbose=verbose):
        from gptasr_subs.errors import MediaError
        from gptasr_subs.jobs.rules import Candidate, check_rules, parse_limits
        from gptasr_subs.pipeline.plan import target_paths

        options = make_options(format, lang, output_dir, overwrite)
        # The path as given: the working directory may itself lie in a hidden folder.
        video = Candidate(
            file, options, parse_limits(only_if_audio, length, size), Path(file.anchor)
        )
        if not file.exists():
            raise MediaError(f"There is no file {str(file)!r}; check the name.")
        for verdict in check_rules(video):
            write_stdout(
                f"{'passed' if verdict.passed else 'SKIP'}: {verdict.rule}: {verdict.reason}\n"
            )
        if verdict.passed:
            targets = ", ".join(map(display_path, target_paths(file, options).values()))
            write_stdout(f"{display_path(file)} would get subtitles: {targets}\n")
        else:
            write_stdout(
                f"{display_path(file)} would be skipped;"
                f" the rule {verdict.rule!r} decided: {verdict.reason}.\n"
            )
