"""The program ``gptasr-subs``: its commands, and nothing imported that ``--help`` does not need."""

from __future__ import annotations

import os
import signal
import sys

import typer

from gptasr_subs.cli import (
    align,
    arr,
    bench,
    cache,
    doctor,
    evaluate,
    jobs,
    lint_fix,
    models,
    plugins,
    preview,
    serve,
    subtitle,
    watch,
)
from gptasr_subs.cli.default_command import DEFAULT, DefaultCommand, DefaultGroup
from gptasr_subs.recognition import workers

PROGRAM = "gptasr-subs"

# Plain help: rich takes longer to import than everything else that help needs.
app = typer.Typer(
    cls=DefaultGroup,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command(DEFAULT, cls=DefaultCommand, hidden=True, no_args_is_help=True)(subtitle.run)
app.add_typer(models.app, name="models")
app.command("plugins")(plugins.plugins)
app.command("arr")(arr.arr)
app.command("lint")(lint_fix.lint)
app.command("fix")(lint_fix.fix)
app.command("watch")(watch.watch)
app.add_typer(jobs.app, name="jobs")
app.command("serve")(serve.serve)
app.command("explain")(watch.explain)
app.add_typer(cache.app, name="cache")
app.command("doctor")(doctor.doctor)
app.command("bench")(bench.bench)
app.command("align")(align.align)
app.command("evaluate")(evaluate.evaluate)
app.command("preview")(preview.preview)
app.command("transcribe")(evaluate.transcribe)


def main() -> None:
    """Run the command line and exit."""
    # NumPy's products here are small: more threads only wait
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Threads that spin while they wait take the time of those they wait for, where others work too
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # as Ctrl-C, so that temporary files are cleaned up and ffmpeg is stopped
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    workers.allow_fork()
    app(prog_name=PROGRAM)
