"""``gptasr-subs align``: a script or a badly timed subtitle, timed by the audio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gptasr_subs.cli.console import display_path, echo_error, handle_errors, write_stdout
from gptasr_subs.cli.norms import with_norms
from gptasr_subs.cli.options import AudioTrack, Device, Model, OverwriteOutput, Quiet, Verbose
from gptasr_subs.cli.progress import place_in_media, progress
from gptasr_subs.cues.norms import Norms
from gptasr_subs.errors import plural

if TYPE_CHECKING:
    from gptasr_subs.align.known_text import CtcEmissions
    from gptasr_subs.align.retiming import Timed
    from gptasr_subs.formats import Document

_SHOWN = 8  # phrases that were not found


@with_norms
def align(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video or audio file.")],
    text: Annotated[
        Path,
        typer.Argument(metavar="TEXT", help="A script (plain text), or a subtitle of any timing."),
    ],
    *,
    norms: Norms,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write here (- for SRT on stdout), not beside the video.",
        ),
    ] = None,
    overwrite: OverwriteOutput = False,
    each_cue: Annotated[
        bool | None,
        typer.Option(
            "--each-cue/--as-a-whole",
            help="Time each cue of a subtitle by its words, or move all alike.",
        ),
    ] = None,
    lang: Annotated[
        str, typer.Option(metavar="CODE", help="Language code in the file's name.")
    ] = "en",
    audio_track: AudioTrack = "",
    model: Model = "default",
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Time a script, or repair the times of a subtitle, by the audio of a video."""
    with handle_errors(quiet, verbose):
        from gptasr_subs.align.known_text import compute_emissions, read_text_or_cues
        from gptasr_subs.formats import get_format, render
        from gptasr_subs.media.sidecars import sidecar_path
        from gptasr_subs.recognition.loading import load_model
        from gptasr_subs.storage.files import refuse_existing, write_atomically

        target = output or sidecar_path(video, lang, "srt")
        to_stdout = str(target) == "-"
        form = "srt" if to_stdout else get_format(target.suffix).name
        if not (to_stdout or overwrite):
            refuse_existing(target)
        given = read_text_or_cues(text)
        recognizer = load_model(model, device)
        with progress(display_path(Path(video.name)), place_in_media(), quiet) as update:
            emissions = compute_emissions(
                video, recognizer, audio_track=audio_track or None, on_progress=update
            )
        document, unspoken = _timed(
            given, emissions, norms=norms, each=each_cue, text=text, video=video, quiet=quiet
        )
        if to_stdout:
            write_stdout(render(document, form))
        else:
            write_atomically(target, render(document, form))
        if not quiet:
            if unspoken:
                words = plural(sum(len(phrase.split()) for phrase in unspoken), "word")
                left_out = " and left out" if isinstance(given, str) else ""
                echo_error(f"Not found in the audio{left_out} ({words}): {_quoted(unspoken)}.")
            echo_error(f"{display_path(target)}: {len(document.cues)} subtitles.")


def _timed(
    given: object,
    emissions: CtcEmissions,
    norms: Norms,
    each: bool | None,
    text: Path,
    video: Path,
    quiet: bool,
) -> tuple[Document, tuple[str, ...]]:
    from gptasr_subs.align.known_text import align_script
    from gptasr_subs.align.retiming import align_cues
    from gptasr_subs.cues.shaping import shape_cues
    from gptasr_subs.formats import Document

    if isinstance(given, str):
        words, unspoken = align_script(given, emissions)
        return Document(tuple(shape_cues(words, norms)), tuple(words), video.name), tuple(unspoken)
    timed = align_cues(given, emissions, each=each)  # type: ignore[arg-type]
    if not quiet:
        say_timed(timed, display_path(text))
    return Document(timed.cues, (), video.name), timed.unspoken


def say_timed(timed: Timed, name: str) -> None:
    """Say what was wrong with the times of the subtitle ``name``, and what was left out."""
    if not timed.parts:
        echo_error(
            f"Too little of {name} is recognised to tell if it is early or late; left as it was."
        )
    for number, part in enumerate(timed.parts, 1):
        which = (
            f", part {number} (subtitles {part.first + 1} to {part.end}),"
            if len(timed.parts) > 1
            else ""
        )
        done = "left as it was" if part.is_right else f"mended, give or take {part.margin:.2f} s"
        confidence = f"confidence {part.shift.confidence:.2f}"
        echo_error(f"{name}{which} {part.shift}; {done} ({confidence}).")
    if timed.outside:
        echo_error(f"Left out, being before or after the video: {_quoted(timed.outside)}.")
    if timed.astray:
        phrases = _quoted(timed.astray)
        echo_error(f"Found at another time, but left with their neighbours; check them: {phrases}.")
    if timed.unplaced:
        echo_error(f"Left out, for at this break the video has no room: {_quoted(timed.unplaced)}.")


def _quoted(phrases: tuple[str, ...]) -> str:
    """Return the first of them, in quotation marks."""
    more = ["..."] if len(phrases) > _SHOWN else []
    return "; ".join([*(f"“{phrase}”" for phrase in phrases[:_SHOWN]), *more])
