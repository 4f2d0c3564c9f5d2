"""The default command: subtitles beside videos."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gptasr_subs import __version__
from gptasr_subs.cli.completion import complete_command, complete_formats
from gptasr_subs.cli.console import (
    clock,
    display_path,
    echo_error,
    handle_errors,
    show_error,
    write_stdout,
)
from gptasr_subs.cli.norms import with_norms
from gptasr_subs.cli.options import (
    LOOK,
    RESULT,
    WORK,
    AudioTrack,
    BatchSize,
    Beams,
    Cast,
    Device,
    GlossaryFiles,
    Lang,
    Model,
    OnDone,
    OnError,
    OutputDir,
    Overwrite,
    Quiet,
    Verbose,
)
from gptasr_subs.cli.progress import place_in_media, stages
from gptasr_subs.cues.norms import Norms
from gptasr_subs.errors import plural

if TYPE_CHECKING:
    from gptasr_subs.jobs.hooks import Hooks
    from gptasr_subs.pipeline.options import Options, Result


def _print_version(wanted: bool) -> None:
    if wanted:
        write_stdout(f"gptasr-subs {__version__}\n")
        raise typer.Exit


@with_norms
def run(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="FILES_OR_FOLDERS...", hidden=True, autocompletion=complete_command),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            rich_help_panel=RESULT,
            help="Write this one file (- for stdout).",
        ),
    ] = None,
    output_dir: OutputDir = None,
    format: Annotated[
        str,
        typer.Option(
            metavar="srt,vtt,...",
            autocompletion=complete_formats,
            rich_help_panel=RESULT,
            help="Formats: srt (the default), vtt, ass, ttml, sbv, lrc, tsv, txt, json.",
        ),
    ] = "",
    overwrite: Overwrite = False,
    lang: Lang = "en",
    audio_track: AudioTrack = "",
    model: Model = "default",
    device: Device = "auto",
    beams: Beams = 0,
    batch_size: BatchSize = 0,
    sdh: Annotated[
        bool,
        typer.Option(
            "--sdh", rich_help_panel=RESULT, help="Name the file as subtitles for the deaf (.sdh)."
        ),
    ] = False,
    forced: Annotated[
        bool,
        typer.Option(
            "--forced", rich_help_panel=RESULT, help="Name the file as forced subtitles (.forced)."
        ),
    ] = False,
    embed: Annotated[
        bool,
        typer.Option(
            "--embed",
            rich_help_panel=RESULT,
            help="Put the subtitles into the video (MKV, MP4, MOV, WebM) as a track.",
        ),
    ] = False,
    burn: Annotated[
        bool,
        typer.Option(
            "--burn",
            rich_help_panel=RESULT,
            help="Write a copy with the subtitles in the picture: movie.subtitled.mp4.",
        ),
    ] = False,
    burn_quality: Annotated[
        int,
        typer.Option(
            min=0,
            max=51,
            metavar="N",
            rich_help_panel=RESULT,
            help="Quality of that copy: 0 (best) to 51.",
        ),
    ] = 20,
    burn_style: Annotated[
        str,
        typer.Option(
            metavar="STYLE",
            rich_help_panel=RESULT,
            help="outline, box, or ASS fields such as Fontname=Arial,Fontsize=20.",
        ),
    ] = "outline",
    word_times: Annotated[
        bool,
        typer.Option(
            "--word-times",
            rich_help_panel=LOOK,
            help="Each word lights up as it is spoken (vtt, ass, lrc).",
        ),
    ] = False,
    mark_confidence_below: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="X",
            rich_help_panel=LOOK,
            help="Words of lower confidence are yellow (vtt, ass).",
        ),
    ] = 0.0,
    top: Annotated[
        bool,
        typer.Option(
            "--top", rich_help_panel=LOOK, help="Place the text at the top of the picture."
        ),
    ] = False,
    shot_changes: Annotated[
        bool,
        typer.Option(
            "--shot-changes",
            rich_help_panel=LOOK,
            help="Subtitles begin and end with shot changes that are near.",
        ),
    ] = False,
    on_done: OnDone = "",
    on_error: OnError = "",
    no_journal: Annotated[
        bool,
        typer.Option(
            "--no-journal",
            rich_help_panel=WORK,
            help="Keep no record on disk of what is recognised.",
        ),
    ] = False,
    progressive: Annotated[
        bool,
        typer.Option(
            "--progressive",
            rich_help_panel=WORK,
            help="Write the file while it grows, always whole and valid.",
        ),
    ] = False,
    start: Annotated[
        float,
        typer.Option(
            "--from",
            min=0,
            metavar="SECONDS",
            rich_help_panel=WORK,
            help="Begin here; what comes before is done last.",
        ),
    ] = 0.0,
    glossary: GlossaryFiles = None,
    cast: Cast = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
    *,
    norms: Norms,
) -> None:
    """Write English subtitles beside videos or audio files, offline: movie.mp4 gets movie.en.srt.

    Folders are searched for them. A subtitle that is there already is kept.
    """
    with handle_errors(quiet, verbose):
        from gptasr_subs.cli.validation import STDOUT, check_options, check_output, parse_formats
        from gptasr_subs.formats import Style
        from gptasr_subs.jobs.hooks import Hooks
        from gptasr_subs.pipeline.options import Options

        options = Options(
            formats=() if (embed or burn) and not format else parse_formats(format or "srt"),
            language=lang,
            output=None if output == STDOUT else output,
            output_dir=output_dir,
            overwrite=overwrite,
            audio_track=int(audio_track) if audio_track.isdecimal() else audio_track or None,
            batch_size=batch_size,
            beams=beams,
            norms=norms,
            sdh=sdh,
            forced=forced,
            embed=embed,
            burn=burn,
            burn_quality=burn_quality,
            burn_style=burn_style,
            progressive=progressive,
            start=start,
            glossary=tuple(glossary or ()),
            cast=cast,
            journal=not no_journal,
            style=Style(word_times=word_times, mark_confidence_below=mark_confidence_below),
            top=top,
            shot_changes=shot_changes,
        )
        check_options(options, model)
        files, failed = _find_inputs(inputs, verbose)
        if output:
            named = parse_formats(format) if format else ()
            check_output(output, named, max(len(inputs), len(files)), into_video=embed or burn)
        if output == STDOUT:
            failed += _print_subtitles(
                files, options, model=model, device=device, quiet=quiet, verbose=verbose
            )
        else:
            failed += _subtitle(
                files,
                options,
                model=model,
                device=device,
                quiet=quiet,
                verbose=verbose,
                hooks=Hooks(on_done, on_error),
            )
        if failed:
            raise typer.Exit(1)


def _find_inputs(inputs: Iterable[Path], verbose: bool) -> tuple[list[Path], int]:
    """Return all media files, and how many inputs gave none (each has been reported)."""
    from gptasr_subs.errors import MediaError
    from gptasr_subs.media.library import find_media, unique

    files: list[Path] = []
    failed = 0
    for path in inputs:
        try:
            files += find_media(path)
        except MediaError as error:
            show_error(error, verbose, path)
            failed += 1
    return unique(files), failed


def _subtitle(
    files: list[Path],
    options: Options,
    model: str,
    device: str,
    quiet: bool,
    verbose: bool,
    hooks: Hooks,
) -> int:
    """Write subtitles of every file; gives how many failed."""
    from gptasr_subs.cli.batch import Batch, Failure
    from gptasr_subs.recognition.loading import lazy_model

    batch = Batch(lazy_model(model, device, options.language), options, hooks)
    failed = 0
    for file in files:
        with stages(display_path(Path(file.name)), place_in_media, quiet) as update:
            outcome = batch.subtitle(
                file, lambda place: update(place.done, place.total, place.stage)
            )
        if isinstance(outcome, Failure):
            show_error(outcome.error, verbose, file)
            failed += 1
        elif not quiet:
            _close(outcome)
    if failed and len(files) > 1 and not quiet:
        echo_error(f"{failed} of {len(files)} files failed.")
    return failed


def _print_subtitles(
    files: list[Path], options: Options, model: str, device: str, quiet: bool, verbose: bool
) -> int:
    """Print the one file's subtitles."""
    from gptasr_subs.formats import render
    from gptasr_subs.pipeline.options import Result
    from gptasr_subs.pipeline.recognize import recognize_file
    from gptasr_subs.recognition.loading import lazy_model

    for file in files:
        recognizer = lazy_model(model, device, options.language)
        began = time.monotonic()
        with stages(display_path(Path(file.name)), place_in_media, quiet) as update:
            document = recognize_file(
                file,
                recognizer,
                options=options,
                on_progress=lambda place: update(place.done, place.total, place.stage),
            )
        write_stdout(render(document, options.formats[0]))
        if not quiet:
            _close(
                Result(
                    file,
                    written=(),
                    kept=(),
                    document=document,
                    seconds=document.seconds or 0.0,
                    elapsed=time.monotonic() - began,
                )
            )
    return 0


def _close(result: Result) -> None:
    """What was written, how long the audio was, how long it took."""
    for path in result.kept:
        inside = (
            "holds such a track already, which" if path == result.media else "is there already and"
        )
        echo_error(f"{display_path(path)} {inside} was kept; --overwrite replaces it.")
    if result.document is None:
        return
    what = ", ".join(map(display_path, result.written)) or display_path(Path(result.media.name))
    count = len(result.document.cues)
    cues = plural(count, "subtitle") if count else "no speech found, so no subtitles in it"
    speed = f"{clock(result.seconds)} of audio in {clock(result.elapsed)}, RTFx {result.rtfx:.1f}"
    echo_error(
        f"{what}: {cues}; {f'taken from {display_path(result.ready)}' if result.ready else speed}."
    )
