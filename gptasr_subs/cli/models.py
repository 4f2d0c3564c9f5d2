"""``gptasr-subs models``: what there is, fetching what is not, and sharing."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from gptasr_subs.cli.console import display_path, echo_error, handle_errors, table, write_stdout
from gptasr_subs.cli.options import Quiet, Verbose
from gptasr_subs.cli.progress import Update, place_in_bytes, progress

app = typer.Typer(add_completion=False, rich_markup_mode=None, invoke_without_command=True)


@app.callback()
def models(context: typer.Context) -> None:
    """List the models; fetch, import and share them: models pull, import, push."""
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
    name: Annotated[
        str,
        typer.Argument(
            metavar="small|large|hf:USER/NAME",
            help="A published model, or one of the Hugging Face hub.",
        ),
    ],
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Download a model; a download that was cut off resumes."""
    with handle_errors(quiet, verbose), ExitStack() as bars:
        from gptasr_subs.model.catalogue import HUB, pull

        _hush_the_hub(quiet)
        folder = pull(name, _reporter(bars, quiet))
        if not quiet:
            name = name.removeprefix(HUB)
            echo_error(f"{name} is in {display_path(folder)}; use it with --model {name}.")


@app.command()
def push(
    model: Annotated[str, typer.Argument(metavar="NAME|PATH", help="A checkpoint of your own.")],
    home: Annotated[str, typer.Argument(metavar="hf:USER/NAME", help="Its name on the hub.")],
    private: Annotated[
        bool, typer.Option("--private", help="For you alone, if it is new.")
    ] = False,
    licence: Annotated[
        str,
        typer.Option(
            "--licence", "--license", metavar="ID", help="As the hub calls it: apache-2.0, mit, ..."
        ),
    ] = "",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Share a checkpoint on the Hugging Face hub, with a card; a card that is there is kept."""
    with handle_errors(quiet, verbose):
        from gptasr_subs.model.catalogue import HUB
        from gptasr_subs.model.hub import push_to_hub

        _hush_the_hub(quiet)
        address = push_to_hub(model, home.removeprefix(HUB), private=private, licence=licence)
        if not quiet:
            echo_error(f"{model} is at {address}.")


@app.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .pth of a published GPT-ASR.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="What to call it (the file's).")] = "",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Take over the weights of a published GPT-ASR that you have, and what belongs to them."""
    with handle_errors(quiet, verbose), ExitStack() as bars:
        from gptasr_subs.model.catalogue import import_published

        folder = import_published(file, name, _reporter(bars, quiet))
        if not quiet:
            name = folder.name
            echo_error(f"{name} is in {display_path(folder)}; use it with --model {name}.")


def _hush_the_hub(quiet: bool) -> None:
    """Its client, which is not imported yet, draws bars of its own."""
    if quiet:
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"


def _reporter(bars: ExitStack, quiet: bool) -> Callable[[str, int, int | None], None]:
    """A bar for each file that is fetched."""
    updates: dict[str, Update] = {}

    def report(file: str, done: int, total: int | None) -> None:
        if file not in updates:
            updates[file] = bars.enter_context(progress(file, place_in_bytes, quiet))
        updates[file](done, total)

    return report
