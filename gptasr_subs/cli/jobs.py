"""``gptasr-subs jobs``: the queue of videos, and working it off."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gptasr_subs.cli.console import (
    display_path,
    echo_error,
    handle_errors,
    show_error,
    table,
    write_stdout,
)
from gptasr_subs.cli.default_command import PanelCommand
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

if TYPE_CHECKING:
    from gptasr_subs.farm.driver import Farm
    from gptasr_subs.jobs.hooks import Event
    from gptasr_subs.jobs.queue import Job, Queue
    from gptasr_subs.jobs.rules import Limits
    from gptasr_subs.jobs.worker import Worker
    from gptasr_subs.pipeline.options import Options

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="JOB", help="Its number in the list.")]


@app.callback()
def jobs() -> None:
    """A durable queue of videos: add, list, show, retry, cancel, run."""


@app.command(cls=PanelCommand)
def add(
    inputs: Annotated[list[Path], typer.Argument(metavar="FILES_OR_FOLDERS...")],
    priority: Annotated[int, typer.Option(metavar="N", help="Jobs of a higher one run first.")] = 0,
    format: Format = "",
    lang: Lang = "",
    output_dir: OutputDir = None,
    overwrite: Overwrite = False,
    glossary: GlossaryFiles = None,
    cast: Cast = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Put videos into the queue; the options left out are those of `jobs run`."""
    with handle_errors(quiet, verbose):
        from gptasr_subs.cli.validation import parse_formats
        from gptasr_subs.errors import MediaError
        from gptasr_subs.jobs.queue import open_queue
        from gptasr_subs.media.library import find_media

        given = {
            "formats": parse_formats(format) if format else (),
            "language": lang,
            "output_dir": output_dir and output_dir.absolute(),
            "overwrite": overwrite,
            "glossary": checked_glossaries(glossary or ()),
            "cast": cast,
        }
        failed = False
        with open_queue() as queue:
            for path in inputs:
                try:
                    for file in find_media(path):
                        job = queue.add(
                            file, {name: value for name, value in given.items() if value}, priority
                        )
                        if not quiet:
                            echo_error(
                                f"{display_path(job.path)}: job {job.id}, {job.state.value}."
                            )
                except MediaError as error:
                    show_error(error, verbose, path)
                    failed = True
        if failed:
            raise typer.Exit(1)


@app.command("list")
def list_jobs(
    state: Annotated[
        list[str] | None, typer.Option(metavar="STATE", help="Only these. Repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the jobs: those that run, then as they will run, then those that are over."""
    with handle_errors(quiet=False, verbose=False):
        from gptasr_subs.errors import UsageError
        from gptasr_subs.jobs.queue import State, open_queue

        try:
            states = [State(name) for name in state or ()]
        except ValueError as error:
            known = ", ".join(member.value for member in State)
            raise UsageError(
                f"There is no state of a job like that ({error}); choose from: {known}."
            ) from error
        with open_queue() as queue:
            found = queue.jobs(*states)
        if as_json:
            write_stdout(json.dumps([_plain(job) for job in found], indent=2) + "\n")
            return
        rows = [
            (str(job.id), job.state.value, _when(job.changed), display_path(job.path), job.reason)
            for job in found
        ]
        write_stdout(table([("JOB", "STATE", "SINCE", "FILE", "REASON"), *rows]))


@app.command()
def show(number: Number) -> None:
    """All that is known of one job."""
    with handle_errors(quiet=False, verbose=False):
        from gptasr_subs.jobs.queue import open_queue

        with open_queue() as queue:
            write_stdout(json.dumps(_plain(queue.get(number)), indent=2, ensure_ascii=False) + "\n")


@app.command()
def retry(number: Number, quiet: Quiet = False) -> None:
    """Let a job that failed, was cancelled or waits for its next attempt start at once."""
    with handle_errors(quiet, verbose=False):
        from gptasr_subs.jobs.queue import open_queue

        with open_queue() as queue:
            job = queue.retry(number)
        _say_state(job, quiet)


@app.command()
def cancel(number: Number, quiet: Quiet = False) -> None:
    """Take a job out; one that runs stops soon."""
    with handle_errors(quiet, verbose=False):
        from gptasr_subs.jobs.queue import open_queue

        with open_queue() as queue:
            job = queue.cancel(number)
        _say_state(job, quiet)


@app.command(cls=PanelCommand)
def run(
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
    """Work through the queue and end; any number of these may run at once."""
    with handle_errors(quiet, verbose):
        from gptasr_subs.jobs.queue import open_queue
        from gptasr_subs.jobs.rules import parse_limits

        options = make_options(
            format, lang, output_dir, overwrite, glossary=glossary or (), cast=cast
        )
        limits = parse_limits(only_if_audio, length, size)
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
            worker.run()
        reporter.end()


def _say_state(job: Job, quiet: bool) -> None:
    if not quiet:
        echo_error(f"{display_path(job.path)}: job {job.id}, {job.state.value}.")


def make_options(
    format: str,
    lang: str,
    output_dir: Path | None,
    overwrite: bool,
    *,
    glossary: Sequence[Path] = (),
    cast: bool = False,
) -> Options:
    """Return the options of a run; raises UsageError, or FormatError for a glossary that is
    none.
    """
    from gptasr_subs.cli.validation import check_options, parse_formats
    from gptasr_subs.pipeline.options import Options

    options = Options(
        parse_formats(format),
        lang,
        output_dir=output_dir,
        overwrite=overwrite,
        glossary=tuple(checked_glossaries(glossary)),
        cast=cast,
    )
    check_options(options)
    return options


def checked_glossaries(paths: Sequence[Path]) -> list[Path]:
    """Return where the glossaries lie, wherever a job is worked off. Raises FormatError for one
    that is none: a mistake in it is said at once, not with each video.
    """
    from gptasr_subs.glossary.files import read_glossary

    for path in paths:
        read_glossary(path)
    return [path.absolute() for path in paths]


@contextmanager
def open_worker(
    queue: Queue,
    model: tuple[str, str, str],
    *,
    options: Options,
    limits: Limits,
    hooks: tuple[str, str],
    report: Reporter,
    newest_first: bool,
    ray: str,
    share: tuple[float, float],
) -> Iterator[Worker | Farm]:
    """Who works a queue off: this process, or the workers of the cluster at ``ray``.

    ``model`` is its name, a device and a language; ``share`` what a worker takes of the cluster.
    """
    from gptasr_subs.jobs.hooks import Hooks
    from gptasr_subs.jobs.worker import Worker
    from gptasr_subs.recognition.loading import lazy_model

    settings: dict[str, Any] = {
        "options": options,
        "limits": limits,
        "hooks": Hooks(*hooks),
        "report": report,
        "newest_first": newest_first,
    }
    if not ray:
        yield Worker(queue, lazy_model(*model), **settings)
        return
    from gptasr_subs.farm.cluster import Share, joined
    from gptasr_subs.farm.driver import Farm
    from gptasr_subs.farm.subtitler import make_subtitler

    with joined(ray, partial(make_subtitler, *model), Share(*share)) as cluster:
        yield Farm(queue, cluster, **settings)


class Reporter:
    """A line for each job that is over, or will be tried again."""

    def __init__(self, quiet: bool) -> None:
        """``quiet``: only what failed."""
        self._quiet = quiet
        self._failed = False

    def __call__(self, job: Job, event: Event) -> None:
        """Errors are said even when ``quiet``."""
        if event.state == "failed":
            self._failed = True
            later = (
                f" It is tried again at {_when(job.due)}." if job.state.value == "waiting" else ""
            )
            echo_error(f"{display_path(job.path)}: {event.reason}{later}")
        elif not self._quiet:
            what = (
                ", ".join(map(display_path, event.outputs))
                if event.outputs
                else f"skipped, {event.reason}"
            )
            echo_error(f"{display_path(job.path)}: {what}.")

    def end(self) -> None:
        """Raise typer.Exit(1) if any job failed."""
        if self._failed:
            raise typer.Exit(1)


@contextmanager
def stopped_by_signals(worker: Worker | Farm) -> Iterator[None]:
    """SIGTERM and SIGINT end the work after the current window; a second one ends it at once."""

    def stop(number: int, frame: object) -> None:
        worker.stop()
        for other in before:
            signal.signal(other, before[other])

    before: dict[int, Any] = {
        number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)
    }
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _plain(job: Job) -> dict[str, object]:
    return {
        **asdict(job),
        "path": str(job.path),
        "state": job.state.value,
        "options": dict(job.options),
    }


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
