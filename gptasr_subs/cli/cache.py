"""``gptasr-subs cache``: what is recognised already, and forgetting it."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from gptasr_subs.cli.console import echo_error, handle_errors, table, write_stdout
from gptasr_subs.cli.options import Quiet, Verbose
from gptasr_subs.errors import plural

app = typer.Typer(add_completion=False, rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def cache(context: typer.Context) -> None:
    """List what is recognised already and kept on disk, or forget it: cache prune."""
    if context.invoked_subcommand is None:
        with handle_errors(quiet=False, verbose=False):
            from gptasr_subs.recognition.cache import LIMIT, journal_path, open_journal
            from gptasr_subs.storage.files import MIB

            with open_journal() as journal:
                rows = [
                    (
                        time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used)),
                        "finished" if entry.finished else "begun",
                        str(entry.windows),
                        str(entry.failed),
                        entry.media if entry.media.isprintable() else repr(entry.media),
                    )
                    for entry in journal.entries()
                ]
                write_stdout(table([("LAST USED", "STATE", "WINDOWS", "FAILED", "FILE"), *rows]))
                size = f"{journal.size() / MIB:.1f} of at most {LIMIT / MIB:.0f} MiB"
                echo_error(f"{journal_path()}: {size}.")


@app.command()
def prune(
    keep: Annotated[
        float, typer.Option(min=0, metavar="MIB", help="Leave as much of what was used last.")
    ] = 0.0,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Forget what was recognised, all of it or what was used longest ago."""
    with handle_errors(quiet, verbose):
        from gptasr_subs.recognition.cache import open_journal
        from gptasr_subs.storage.files import MIB

        with open_journal() as journal:
            forgotten = journal.prune(int(keep * MIB))
        if not quiet:
            echo_error(f"Forgot {plural(forgotten, 'file')}.")
