"""``gptasr-subs models``: what there is, and fetching what is not."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer

from gptasr_subs.cli.console import display_path, echo_error, handle_errors, table, write_stdout
from gptasr_subs.cli.options import Quiet, Verbose
from gptasr_subs.cli.progress import Update, place_in_bytes, progress

app = typer.Typer(add_completion=False, rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def models(context: typer.Context) -> None:
    """List the models, or fetch one: models pull small|large."""
    if context.invoked_subcommand is None:
        with handle_errors(quiet=False, verbose=False):
            from gptasr_subs.model.catalogue import list_models
            from gptasr_subs.storage.files import MIB

            rows = [
                (entry.name, f"{entry.size / MIB:.0f} MiB", entry.wer or "-", entry.home)
                for entry in list_models()
            ]
            write_stdout(table([("NAME", "SIZE", "WORD ERROR RATE", "WHERE"), *rows]))


@app.command()
def pull(
    name: Annotated[str, typer.Argument(metavar="small|large", help="A published model.")],
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Download a published model; a download that was cut off resumes."""
    with handle_errors(quiet, verbose), ExitStack() as bars:
        from gptasr_subs.model.catalogue import pull

        updates: dict[str, Update] = {}

        def report(file: str, done: int, total: int | None) -> None:
            if file not in updates:
                updates[file] = bars.enter_context(progress(file, place_in_bytes, quiet))
            updates[file](done, total)

        folder = pull(name, report)
        if not quiet:
            echo_error(f"{name} is in {display_path(folder)}; use it with --model {name}.")
