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
    farm,
    jobs,
    lint_fix,
    models,
    plugins,
    preview,
    serve,
    subtitle,
    watch,
)
from gptasr_subs.cli.default_command import DEFAULT, DefaultCommand, DefaultGroup, PanelCommand
from gptasr_subs.recognition import workers

PROGRAM = "gptasr-subs"

# Plain help: rich takes longer to import than everything else that help needs.
app = typer.Typer(
    cls=DefaultGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command(DEFAULT, cls=DefaultCommand, hidden=True, no_args_is_help=True)(subtitle.run)

# The commands, in the panels of `--help`.
_FILES = "Subtitle files"
app.command("lint", cls=PanelCommand, rich_help_panel=_FILES)(lint_fix.lint)
app.command("fix", cls=PanelCommand, rich_help_panel=_FILES)(lint_fix.fix)
app.command("align", cls=PanelCommand, rich_help_panel=_FILES)(align.align)
app.command("preview", cls=PanelCommand, rich_help_panel=_FILES)(preview.preview)
_FOLDERS = "Folders, and other programs"
app.command("watch", cls=PanelCommand, rich_help_panel=_FOLDERS)(watch.watch)
app.command("explain", cls=PanelCommand, rich_help_panel=_FOLDERS)(watch.explain)
app.add_typer(jobs.app, name="jobs", rich_help_panel=_FOLDERS)
app.add_typer(farm.app, name="farm", rich_help_panel=_FOLDERS)
app.command("serve", cls=PanelCommand, rich_help_panel=_FOLDERS)(serve.serve)
app.command("arr", cls=PanelCommand, rich_help_panel=_FOLDERS)(arr.arr)
_MODELS = "Models"
app.add_typer(models.app, name="models", rich_help_panel=_MODELS)
app.command("evaluate", cls=PanelCommand, rich_help_panel=_MODELS)(evaluate.evaluate)
app.command("transcribe", cls=PanelCommand, rich_help_panel=_MODELS)(evaluate.transcribe)
app.command("bench", cls=PanelCommand, rich_help_panel=_MODELS)(bench.bench)
_HERE = "This installation"
app.command("doctor", cls=PanelCommand, rich_help_panel=_HERE)(doctor.doctor)
app.command("plugins", cls=PanelCommand, rich_help_panel=_HERE)(plugins.plugins)
app.add_typer(cache.app, name="cache", rich_help_panel=_HERE)


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
