"""The program ``gptasr-subs-train``: from text and recordings to a checkpoint, a command for each step."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from gptasr_subs.cli import corpora
from gptasr_subs.cli.console import display_path as shown
from gptasr_subs.cli.console import echo_error as say
from gptasr_subs.cli.console import handle_errors as sentences
from gptasr_subs.cli.corpora import require_extra
from gptasr_subs.cli.options import Quiet, Verbose
from gptasr_subs.errors import UsageError
from gptasr_subs.training.options import Augmentation, Recipe, Sampling, TrainOptions

PROGRAM = "gptasr-subs-train"

_PLAN, _SAMPLING = TrainOptions(), Sampling()
_CURRICULUM_SHARE = 8  # of the steps, one part in so many
# The library that multiplies on a CPU keeps a kernel for each new shape, and batches seldom have one twice: with its
# own limit of 1024 a run grew by 150 MB a minute.
_KERNELS = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
_CHANGES = ("bends", "sloppy", "frames_a_mask", "mask_frames", "mask_bins")

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
app.command()(corpora.hear)
app.command()(corpora.place)


@app.command()
def run(
    store: Annotated[Path, typer.Option(metavar="FOLDER", help="What `prepare` made.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The run; one that is there goes on where it stopped.")],
    config: Annotated[
        str,
        typer.Option(
            metavar="NAME|JSON", help="Shape: shipped, small, large, or a file of what differs (from --begin-with)."
        ),
    ] = "",
    start: Annotated[  # not --start, which torchrun takes for an option of its own
        str, typer.Option("--begin-with", metavar="NAME|PATH", help="Begin with the weights of this checkpoint.")
    ] = "",
    teacher: Annotated[
        str, typer.Option(metavar="NAME|PATH", help="Learn from this larger checkpoint too, with its vocabulary.")
    ] = "",
    text: Annotated[
        Path | None, typer.Option(metavar="TEXT", help="Sentences, one a line, for text-only batches.")
    ] = None,
    noise: Annotated[Path | None, typer.Option(metavar="MANIFEST", help="Noises; without it they are made.")] = None,
    dev: Annotated[
        list[Path] | None, typer.Option(metavar="MANIFEST", help="Scored during the run. Repeatable.")
    ] = None,
    dev_clips: Annotated[int, typer.Option(min=1, help="Clips of each dev set that are scored.")] = 40,
    vocabulary: Annotated[int, typer.Option(min=64, help="Tokens of a new run.")] = 768,
    steps: Annotated[int, typer.Option(min=1, help="Length of the whole run.")] = _PLAN.steps,
    until: Annotated[int, typer.Option(min=0, help="Stop at this step (0: go to the end).")] = 0,
    ctc_steps: Annotated[
        int | None,
        typer.Option(min=0, help="First steps, on the encoder alone.  [default: 2 in 5]", show_default=False),
    ] = None,
    decay_from: Annotated[
        int | None, typer.Option(min=0, help="Step from which the rate falls.  [default: 3 in 4]", show_default=False)
    ] = None,
    warmup: Annotated[
        int | None, typer.Option(min=1, help="Steps in which the rate rises.", show_default=False)
    ] = None,
    rate: Annotated[float, typer.Option(min=0, help="Learning rate of the first steps.")] = _PLAN.rate,
    text_rate: Annotated[float, typer.Option(min=0, help="Learning rate of the others.")] = _PLAN.text_rate,
    batch: Annotated[float, typer.Option(min=1, help="Seconds of sound in a batch.")] = _SAMPLING.batch_seconds,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches a step, in each process.")] = _PLAN.accumulate,
    curriculum: Annotated[
        int | None,
        typer.Option(min=1, help="Steps until clips have full length.  [default: 1 in 8]", show_default=False),
    ] = None,
    curriculum_from: Annotated[int, typer.Option(min=0, help="Step from which they grow.")] = _SAMPLING.curriculum_from,
    shortest_limit: Annotated[
        float, typer.Option(min=0.5, help="Longest clip at the first step, in seconds.")
    ] = _SAMPLING.shortest_limit,
    joined: Annotated[float, typer.Option(min=0, max=1, help="Share of clips that others follow.")] = _SAMPLING.joined,
    spliced: Annotated[
        float, typer.Option(min=0, max=1, help="Share of items made of a few words each from many clips (see place).")
    ] = _SAMPLING.spliced,
    halved: Annotated[
        float, typer.Option(min=0, max=1, help="Share of tokens that are written as two shorter ones.")
    ] = _SAMPLING.halved,
    noise_only: Annotated[
        float, typer.Option(min=0, max=1, help="Share of clips without speech.")
    ] = _SAMPLING.noise_only,
    weight: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE=W", help="How often a source is drawn (1). Repeatable.")
    ] = None,
    augment: Annotated[float, typer.Option(min=0, max=1, help="Amount of augmentation.")] = Augmentation().amount,
    bends: Annotated[
        float, typer.Option(min=0, max=4, help="Mel bins by which each formant moves on its own (standard deviation).")
    ] = Augmentation().bends,
    sloppy: Annotated[
        float, typer.Option(min=0, max=2, help="How sloppily the sloppiest clips say each sound.")
    ] = Augmentation().sloppy,
    frames_a_mask: Annotated[
        int, typer.Option(min=0, help="One more mask along time for so many mel frames (0: none).")
    ] = Augmentation().frames_a_mask,
    mask_frames: Annotated[int, typer.Option(min=0, help="Longest mask along time.")] = Augmentation().mask_frames,
    mask_bins: Annotated[
        int, typer.Option(min=0, max=79, help="Widest mask along the mel axis.")
    ] = Augmentation().mask_bins,
    ctc_weight: Annotated[float, typer.Option(min=0, help="Weight of CTC beside the text.")] = _PLAN.ctc_weight,
    teacher_weight: Annotated[float, typer.Option(min=0, help="Weight of the teacher.")] = _PLAN.teacher_weight,
    text_every: Annotated[
        int, typer.Option(min=0, help="Steps between text-only batches (0: none).")
    ] = _PLAN.text_every,
    text_batch: Annotated[int, typer.Option(min=1, help="Sentences in a text-only batch.")] = _PLAN.text_batch,
    dropout: Annotated[float, typer.Option(min=0, max=0.9, help="Dropout in the layers.")] = _PLAN.dropout,
    token_noise: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the tokens read that are replaced by any.")
    ] = _PLAN.token_noise,
    muon: Annotated[bool, typer.Option("--muon/--no-muon", help="Muon for the layers, or AdamW for all.")] = _PLAN.muon,
    ema: Annotated[float, typer.Option(min=0, max=1, help="Decay of the averaged weights.")] = _PLAN.ema,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between saves.")] = _PLAN.save_every,
    report_every: Annotated[int, typer.Option(min=1, help="Steps between points of the curves.")] = _PLAN.report_every,
    evaluate_every: Annotated[int, typer.Option(min=0, help="Steps between scores (0: none).")] = _PLAN.evaluate_every,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make batches ahead.")] = _PLAN.workers,
    bf16: Annotated[bool, typer.Option("--bf16/--no-bf16", help="Multiply in bfloat16.")] = _PLAN.bf16,
    seed: Annotated[int, typer.Option(help="Of the weights and of all that is drawn.")] = _SAMPLING.seed,
    device: Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu or cuda (cuda:1).")] = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train on a store; under torchrun in several processes."""
    given = dict(locals())
    with sentences(quiet, verbose):
        require_extra()
        recipe = _recipe(given)
        with _log_in(out, quiet):
            from gptasr_subs.training.recipe import train

            trainer = train(recipe, until or None)
        if not quiet and not trainer.batches.rank:
            say(f"{shown(out)}: step {trainer.step} of {steps}, {trainer.heard / 3600:.2f} hours heard.")


@app.command()
def export(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Takes the checkpoint.")],
    name: Annotated[str, typer.Option(help="Of the checkpoint.  [default: the folder's]", show_default=False)] = "",
    tokenizer: Annotated[Path | None, typer.Option(metavar="JSON", help="Vocabulary, if the run has none.")] = None,
    start_offset: Annotated[float, typer.Option(help="Seconds from CTC's first frame of a word to its start.")] = 0.0,
    end_offset: Annotated[float, typer.Option(help="Seconds from CTC's last frame of a word to its end.")] = 0.0,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make a checkpoint that `gptasr-subs --model FOLDER` takes of a run's averaged weights."""
    with sentences(quiet, verbose):
        from gptasr_subs.training.export import export

        offsets = (start_offset, end_offset)
        made = export(run_folder, folder, name=name, tokenizer=tokenizer, offsets=offsets)
        if not quiet:
            say(f"{shown(folder)}: {made.name}, after {made.metadata['steps']} steps.")


@app.command()
def calibrate(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A checkpoint, as `export` writes it.")],
    text: Annotated[Path, typer.Argument(metavar="TEXT", help="Sentences, one a line, that flite reads.")],
    clips: Annotated[int, typer.Option(min=1, help="Sentences that are read.")] = 150,
    write: Annotated[bool, typer.Option("--write", help="Put what is found into the checkpoint.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure how late a checkpoint's CTC head hears words begin and end."""
    with sentences(quiet, verbose):
        require_extra()
        from gptasr_subs.model.checkpoint import set_offsets
        from gptasr_subs.recognition.gptasr import load_gptasr
        from gptasr_subs.storage.files import read_text
        from gptasr_subs.training.calibration import measure_offsets, read_by_flite

        found = measure_offsets(load_gptasr(folder, "cpu"), read_by_flite(read_text(text).splitlines(), clips))
        if write:
            set_offsets(folder, found.start, found.end)
        if not quiet:
            say(f"{found.words} words: add {found.start:+.3f} s to starts (then {found.start_spread:.3f} s off in the")
            say(f"median) and {found.end:+.3f} s to ends ({found.end_spread:.3f} s).")


def main() -> None:
    """Run the command line and exit."""
    os.environ.setdefault(*_KERNELS)
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app(prog_name=PROGRAM)


def _recipe(given: dict[str, Any]) -> Recipe:
    """A recipe of the options of ``run``; those that were left out follow from the number of steps."""
    plan = TrainOptions().over(given["steps"])
    augmentation = Augmentation(given["augment"], **{name: given[name] for name in _CHANGES})
    return Recipe(
        given["store"],
        given["out"],
        shape=given["config"],
        start=given["start"],
        teacher=given["teacher"],
        texts=given["text"],
        noise=given["noise"],
        dev=tuple(given["dev"] or ()),
        dev_clips=given["dev_clips"],
        vocabulary=given["vocabulary"],
        device=given["device"],
        options=replace(plan, augmentation=augmentation, **_given_of(TrainOptions, given)),
        sampling=_sampling(given),
    )


def _sampling(given: dict[str, Any]) -> Sampling:
    values = _given_of(Sampling, given)
    values.setdefault("curriculum", max(1, given["steps"] // _CURRICULUM_SHARE))
    return Sampling(weights=dict(map(_weight, given["weight"] or ())), batch_seconds=given["batch"], **values)


def _given_of(kind: type[TrainOptions] | type[Sampling], given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in kind.__slots__ if given.get(name) is not None}


def _weight(text: str) -> tuple[str, float]:
    source, _, weight = text.partition("=")
    try:
        return source, float(weight)
    except ValueError as error:
        raise UsageError(f"--weight {text!r} is not of the form source=number.") from error


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
