"""``gptasr-subs evaluate`` and ``gptasr-subs transcribe``: many clips at once, without cues."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gptasr_subs.cli.console import (
    display_path,
    echo_error,
    handle_errors,
    show_error,
    write_stdout,
)
from gptasr_subs.cli.options import (
    AsJson,
    BatchSize,
    Beams,
    Device,
    GlossaryFiles,
    Model,
    OverwriteOutput,
    Quiet,
    Verbose,
)
from gptasr_subs.cli.progress import place_in_files, progress
from gptasr_subs.errors import plural

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from gptasr_subs.evaluation.evaluate import Evaluation
    from gptasr_subs.evaluation.wer import WordErrors


def evaluate(
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST",
            help="TSV with a header: path, text; speaker, offset, seconds if known. Or its folder.",
        ),
    ],
    model: Model = "default",
    device: Device = "auto",
    beams: Beams = 0,
    batch_size: BatchSize = 0,
    glossary: GlossaryFiles = None,
    worst: Annotated[
        int, typer.Option(min=0, metavar="N", help="How many of the worst clips to show.")
    ] = 5,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Score a model on clips whose text is known."""
    with handle_errors(quiet, verbose):
        from gptasr_subs.corpora.manifest import read_transcribed
        from gptasr_subs.evaluation.biased import words_of
        from gptasr_subs.evaluation.evaluate import evaluate
        from gptasr_subs.glossary.files import read_glossary
        from gptasr_subs.glossary.terms import combine
        from gptasr_subs.recognition.loading import load_model, with_glossary

        clips = read_transcribed(manifest)
        terms = combine(read_glossary(path) for path in glossary or ())
        recognizer = with_glossary(load_model(model, device), terms)
        with progress(display_path(Path(manifest.name)), place_in_files, quiet) as update:
            found = evaluate(
                clips,
                recognizer,
                batch_size=batch_size,
                beams=beams,
                listed=words_of(terms),
                on_progress=lambda done: update(done, len(clips)),
            )
        write_stdout(
            json.dumps(found.to_dict(worst), ensure_ascii=False, indent=2) + "\n"
            if as_json
            else "".join(f"{line}\n" for line in _report(found, worst))
        )
        _exit_with(found.failures, verbose)


def transcribe(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Searched for audio files and videos.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The TSV (- for stdout).")
    ] = Path("-"),
    overwrite: OverwriteOutput = False,
    model: Model = "default",
    device: Device = "auto",
    beams: Beams = 0,
    batch_size: BatchSize = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the text of every file of a folder as TSV: path, text."""
    with handle_errors(quiet, verbose):
        from gptasr_subs.cli.validation import STDOUT
        from gptasr_subs.corpora.manifest import Clip
        from gptasr_subs.evaluation.clips import to_tsv, transcribe_clips
        from gptasr_subs.media.library import find_media
        from gptasr_subs.recognition.loading import load_model
        from gptasr_subs.storage.files import refuse_existing, write_atomically

        files = find_media(folder)
        if output != STDOUT and not overwrite:
            refuse_existing(output)
        recognizer = load_model(model, device)
        with progress(display_path(Path(folder.name)), place_in_files, quiet) as update:
            found = transcribe_clips(
                map(Clip, files),
                recognizer,
                batch_size=batch_size,
                beams=beams,
                on_progress=lambda done: update(done, len(files)),
            )
        tsv = to_tsv(found, folder if folder.is_dir() else folder.parent)
        if output == STDOUT:
            write_stdout(tsv)
        else:
            write_atomically(output, tsv.encode("utf-8", errors="surrogateescape"))
            if not quiet:
                echo_error(f"{display_path(output)}: the text of {len(found)} files.")
        _exit_with([transcript.error for transcript in found if transcript.error], verbose)


def _exit_with(errors: Collection[Exception], verbose: bool) -> None:
    """Report the files that could not be read."""
    for error in errors:
        show_error(error, verbose)
    if errors:
        raise typer.Exit(1)


def _report(found: Evaluation, worst: int) -> Iterator[str]:
    """Yield lines of the scores: the sums, each speaker, the worst clips."""
    total = found.total
    yield f"model      {found.model}"
    yield f"WER        {total.wer:.2f} %  (95 % interval {_between(found.interval)})"
    yield f"errors     {_kinds(total)} in {total.words} words of {len(found.clips)} clips"
    if (written := found.formatted_total) and (interval := found.formatted_interval):
        yield (
            f"as written {written.wer:.2f} %  "
            f"(with case and punctuation; 95 % interval {_between(interval)})"
        )
    if biased := found.biased_total:
        in_listed, in_others = map(_between, found.biased_intervals)
        yield f"B-WER      {biased.listed.wer:.2f} %  (glossary; 95 % interval {in_listed})"
        yield f"U-WER      {biased.others.wer:.2f} %  (other words; 95 % interval {in_others})"
        yield f"accepts    {plural(biased.false_accepts, 'word')} of the glossary not said there"
    yield f"RTFx       {found.rtfx:.1f}  ({found.seconds:.1f} s of audio in {found.elapsed:.1f} s)"

    if found.speakers:
        yield "speakers"
    width = max(map(len, found.speakers), default=0)
    for name, errors in found.speakers.items():
        yield f"  {name:<{width}}  {errors.wer:6.2f} %  {_kinds(errors)} in {errors.words} words"
    worst_clips = found.worst(worst)
    if worst_clips:
        yield "worst clips"
    for scored in worst_clips:
        yield f"  {display_path(scored.clip.file)}"
        yield f"    said    {scored.clip.text}"
        yield f"    written {scored.text}"


def _between(interval: tuple[float, float]) -> str:
    return "{:.2f} to {:.2f}".format(*interval)


def _kinds(total: WordErrors) -> str:
    return (
        f"{total.insertions} insertions, {total.deletions} deletions,"
        f" {total.substitutions} substitutions"
    )
