"""``gptasr-subs preview``: a picture of a video and its subtitles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gptasr_subs.cli.console import display_path, echo_error, handle_errors, require_extra
from gptasr_subs.cli.options import Device, Model, Quiet, Verbose
from gptasr_subs.cli.progress import place_in_media, progress


def preview(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video or audio file.")],
    subtitle: Annotated[
        Path | None,
        typer.Argument(metavar="[SUBTITLE]", help="A subtitle file; without one, it is made."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The PNG file (VIDEO.preview.png)."),
    ] = None,
    start: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Where the timeline begins.")
    ] = 0.0,
    seconds: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="How much of the video it shows.")
    ] = 40.0,
    frames: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many subtitles are shown in the picture.")
    ] = 9,
    model: Model = "default",
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draw subtitles over their frames, and a timeline of audio, windows, words and subtitles."""
    with handle_errors(quiet, verbose):
        from gptasr_subs.formats import read
        from gptasr_subs.outputs.contact_sheet import Sight, draw_preview
        from gptasr_subs.pipeline.recognize import recognize_file
        from gptasr_subs.recognition.loading import load_model
        from gptasr_subs.storage.files import write_atomically

        require_extra("preview", "PIL")
        if subtitle:
            sight = Sight(read(subtitle), words=(), start=start, seconds=seconds, frames=frames)
        else:
            with progress(display_path(Path(video.name)), place_in_media(), quiet) as update:
                document = recognize_file(
                    video,
                    load_model(model, device),
                    on_progress=lambda place: update(place.done, place.total),
                )
            sight = Sight(
                document.cues, words=document.words, start=start, seconds=seconds, frames=frames
            )
        target = output or video.with_name(f"{video.stem}.preview.png")
        write_atomically(target, draw_preview(video, sight))
        if not quiet:
            echo_error(f"{display_path(target)}: {len(sight.cues)} subtitles.")
