"""The program ``gptasr-subs-train``: from text and recordings to a checkpoint, step by step."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from gptasr_subs.cli import corpora
from gptasr_subs.cli.console import display_path, echo_error, handle_errors, require_extra
from gptasr_subs.cli.corpora import TRAIN_PACKAGES, place_in_clips
from gptasr_subs.cli.options import Quiet, Verbose
from gptasr_subs.cli.progress import progress
from gptasr_subs.training.options import Graft, GraftOptions, read_recipe

PROGRAM = "gptasr-subs-train"

app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

app.command()(corpora.synthesise)
app.command("import")(corpora.import_)
app.command()(corpora.label)
app.command()(corpora.prepare)


@app.command()
def graft(
    encoder: Annotated[
        str,
        typer.Option(
            metavar="FOLDER|ID",
            help="A Moonshine or Whisper model: a folder, or its name on the hub.",
        ),
    ],
    store: Annotated[Path, typer.Option(metavar="FOLDER", help="What `prepare` made.")],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The run; one that exists is resumed.")
    ],
    onto: Annotated[
        str,
        typer.Option(
            metavar="NAME|PATH",
            help="The checkpoint that gets the encoder; a graft is trained further.",
        ),
    ] = "default",
    recipe: Annotated[
        Path | None, typer.Option(metavar="TOML", help="Options that differ from the defaults.")
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(metavar="TEXT", help="Sentences, one a line, for text-only batches."),
    ] = None,
    noise: Annotated[
        Path | None,
        typer.Option(
            metavar="MANIFEST", help="Noises and rooms to add; without it noises are generated."
        ),
    ] = None,
    dev: Annotated[
        list[Path] | None,
        typer.Option(metavar="MANIFEST", help="Scored during the run. Repeatable."),
    ] = None,
    stop_at: Annotated[int, typer.Option(min=0, help="Stop at this step (0: run to the end).")] = 0,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="auto, cpu or cuda (cuda:1).")
    ] = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Put an open speech encoder before the GPT of a checkpoint, and train; torchrun works too."""
    with handle_errors(quiet, verbose):
        require_extra("train", *TRAIN_PACKAGES)
        from gptasr_subs.training.graft import train

        options = read_recipe(recipe) if recipe else GraftOptions()
        plan = Graft(
            encoder,
            onto,
            store=store,
            folder=out,
            text=text,
            noise=noise,
            dev=tuple(dev or ()),
            device=device,
            options=options,
        )
        with _log_in(out, quiet), progress("encoder frames", place_in_clips, quiet) as update:
            trainer = train(plan, stop_at or None, on_progress=update)
        if not quiet and not trainer.batches.rank:
            hours = trainer.seconds / 3600
            steps = f"step {trainer.step} of {options.steps}"
            echo_error(f"{display_path(out)}: {steps}, {hours:.2f} hours of audio.")


@app.command()
def export(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Takes the checkpoint.")],
    name: Annotated[
        str, typer.Option(help="Of the checkpoint.  [default: the folder's]", show_default=False)
    ] = "",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make a checkpoint that `gptasr-subs --model FOLDER` takes of a run's averaged weights."""
    with handle_errors(quiet, verbose):
        from gptasr_subs.training.export import export

        made = export(run_folder, folder, name=name)
        if not quiet:
            echo_error(
                f"{display_path(folder)}: {made.name}, after {made.metadata['steps']} steps."
            )


@app.command()
def average(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="CHECKPOINT...", help="Two or more; one given twice counts twice."),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Takes the mean.")],
    name: Annotated[
        str, typer.Option(help="Of the checkpoint.  [default: the folder's]", show_default=False)
    ] = "",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make the mean of checkpoints that were trained from the same one."""
    with handle_errors(quiet, verbose):
        from gptasr_subs.training.export import average

        made = average(sources, out, name=name)
        if not quiet:
            echo_error(f"{display_path(out)}: {made.name}, the mean of {len(sources)} checkpoints.")


@app.command()
def calibrate(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A checkpoint, as `export` writes it.")
    ],
    text: Annotated[
        Path, typer.Argument(metavar="TEXT", help="Sentences, one a line, that flite reads.")
    ],
    clips: Annotated[int, typer.Option(min=1, help="Sentences that are read.")] = 150,
    write: Annotated[
        bool, typer.Option("--write", help="Put what is found into the checkpoint.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure how late a checkpoint's CTC head emits the starts and ends of words."""
    with handle_errors(quiet, verbose):
        require_extra("train", *TRAIN_PACKAGES)
        from gptasr_subs.model.checkpoint import set_offsets
        from gptasr_subs.recognition.gptasr import load_gptasr
        from gptasr_subs.storage.files import read_text
        from gptasr_subs.training.ctc_offsets import measure_offsets, read_by_flite

        found = measure_offsets(
            load_gptasr(folder, "cpu"), read_by_flite(read_text(text).splitlines(), clips)
        )
        if write:
            set_offsets(folder, found.start, found.end)
        if not quiet:
            echo_error(
                f"{found.words} words: add {found.start:+.3f} s to starts"
                f" and {found.end:+.3f} s to ends;"
            )
            echo_error(
                f"then the median error is {found.start_spread:.3f} s of a start"
                f" and {found.end_spread:.3f} s of an end."
            )


def main() -> None:
    """Run the command line and exit."""
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app(prog_name=PROGRAM)


@contextmanager
def _log_in(folder: Path, quiet: bool) -> Iterator[None]:
    """What the training says goes to stderr and to a file of the run."""
    log = logging.getLogger("gptasr_subs.training")
    log.setLevel(logging.ERROR if quiet else logging.INFO)
    folder.mkdir(parents=True, exist_ok=True)
    file = logging.FileHandler(folder / "log.txt", encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    log.addHandler(file)
    try:
        yield
    finally:
        log.removeHandler(file)
        file.close()


if __name__ == "__main__":  # torchrun -m gptasr_subs.cli.train
    main()
