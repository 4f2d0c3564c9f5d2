"""The commands of ``gptasr-subs-train`` that make and change corpora, up to the trainer's store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gptasr_subs.cli.console import display_path, echo_error, handle_errors, require_extra
from gptasr_subs.cli.options import BatchSize, Beams, Device, Quiet, Verbose
from gptasr_subs.cli.progress import progress

if TYPE_CHECKING:
    from gptasr_subs.corpora.report import Report

TRAIN_PACKAGES = ("num2words", "soundfile", "soxr")  # what of the extra no step can do without

Dev = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="CORPUS", help="Held out: none of its text or audio is trained on. Repeatable."
    ),
]


def synthesise(
    text: Annotated[
        Path,
        typer.Argument(metavar="TEXT", help="Sentences with casing and punctuation, one a line."),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The corpus; one that exists grows.")],
    voices: Annotated[
        str,
        typer.Option(metavar="NAME,...", help="hibari, flite or flite-VOICE."),
    ],
    hours: Annotated[
        float, typer.Option(min=0, help="Stop when the corpus holds this many hours.")
    ] = 1.0,
    dev: Dev = None,
    seed: Annotated[
        int, typer.Option(help="Processes that share a folder need different ones.")
    ] = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Have installed synthesisers read a text into a corpus."""
    with handle_errors(quiet, verbose):
        require_extra("train", *TRAIN_PACKAGES)
        from gptasr_subs.corpora import synthesis
        from gptasr_subs.corpora.manifest import MANIFEST_FILE, read_clips
        from gptasr_subs.corpora.voices import find_voices
        from gptasr_subs.storage.files import read_text
        from gptasr_subs.training.preparation import normalized_texts

        lines = synthesis.usable(
            read_text(text).splitlines(), normalized_texts(read_clips(*dev or ()))
        )
        there = synthesis.synthesise(find_voices(voices.split(",")), lines, out, hours, seed)
        if not quiet:
            echo_error(f"{display_path(out / MANIFEST_FILE)}: {there:.2f} hours.")


def import_(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="LAYOUT",
            help="commonvoice, hifitts, librispeech, libritts, ljspeech, tedlium, tsv,"
            " voxforge or voxpopuli.",
        ),
    ],
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="Where the corpus was unpacked; a manifest for tsv."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="The folder of the new corpus; one that exists is resumed."
        ),
    ],
    part: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Part to read; by default all but dev and test. Repeatable."
        ),
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Leave the audio where it is; else FLAC shards.")
    ] = False,
    untranscribed: Annotated[
        bool, typer.Option("--untranscribed", help="Keep what has no text, for `label`.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Threads that read audio.")] = 2,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Bring a public corpus into the one format of all others."""
    with handle_errors(quiet, verbose):
        require_extra("train", *TRAIN_PACKAGES)
        from gptasr_subs.corpora.importing import ImportOptions, import_corpus

        options = ImportOptions(tuple(part or ()), in_place, untranscribed, workers)
        with progress(kind, place_in_clips, quiet) as update:
            report = import_corpus(kind, path, out, options, lambda clips: update(clips, None))
        _say_report(report, out, quiet)


def prepare(
    corpora: Annotated[
        list[Path],
        typer.Argument(
            metavar="CORPUS...",
            help="Folders with a manifest.tsv, or manifests:"
            " file, text; offset, seconds, speaker, source, licence.",
        ),
    ],
    store: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Takes the clips as the trainer reads them.")
    ],
    dev: Dev = None,
    noise: Annotated[
        Path | None,
        typer.Option(metavar="MANIFEST", help="Noises and rooms; without it noises are generated."),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Check the clips of corpora and make a store of those that are fit."""
    with handle_errors(quiet, verbose):
        require_extra("train", *TRAIN_PACKAGES)
        from gptasr_subs.training.preparation import prepare

        with progress(display_path(Path(store.name)), place_in_clips, quiet) as update:
            report = prepare(corpora, store, dev or (), noise=noise, on_progress=update)
        _say_report(report, store, quiet)


def label(
    corpus: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="A folder or a manifest; text is not needed.")
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="The labelled corpus; one that exists is resumed."),
    ],
    teacher: Annotated[
        str, typer.Option(metavar="NAME|PATH", help="The recogniser; as --model of gptasr-subs.")
    ] = "default",
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Drop clips of lower confidence.")
    ] = 0.0,
    device: Device = "auto",
    beams: Beams = 0,
    batch_size: BatchSize = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Have a recogniser transcribe a corpus that has no text: pseudo-labels."""
    with handle_errors(quiet, verbose):
        require_extra("train", *TRAIN_PACKAGES)
        from gptasr_subs.corpora.pseudo_labels import LabelOptions, label
        from gptasr_subs.recognition.loading import load_model

        model = load_model(teacher, device)
        options = LabelOptions(min_confidence, batch_size, beams)
        with progress(display_path(Path(corpus.name)), place_in_clips, quiet) as update:
            report = label(corpus, model, out, options, update)
        _say_report(report, out, quiet)


def _say_report(report: Report, folder: Path, quiet: bool) -> None:
    if not quiet:
        for line in report.lines():
            echo_error(line)
        echo_error(f"{display_path(folder)}: {report.hours:.2f} hours.")


def place_in_clips(done: float, total: float | None) -> str:
    """Return how far a corpus is, for ``progress``."""
    return f"{int(done):,} / {int(total):,} clips" if total else f"{int(done):,} clips"
