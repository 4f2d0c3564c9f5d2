"""``gptasr-subs arr``: the custom script of Sonarr, Radarr and Lidarr."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from gptasr_subs.cli.console import echo_error, handle_errors
from gptasr_subs.cli.jobs import checked_glossaries
from gptasr_subs.cli.options import Cast, GlossaryFiles, Quiet, Verbose


def arr(
    format: Annotated[str, typer.Option(metavar="srt,vtt,...", help="Formats to write.")] = "",
    lang: Annotated[str, typer.Option(metavar="CODE", help="Language spoken.")] = "",
    folders: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="THERE=HERE",
            help="A folder as that program calls it, and as it is called here. Repeatable.",
        ),
    ] = None,
    glossary: GlossaryFiles = None,
    cast: Cast = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """The custom script of Sonarr, Radarr or Lidarr: enqueue what they import.

    Subtitles move along on renaming. The options left out are those of `jobs run`.
    """
    with handle_errors(quiet, verbose):
        from gptasr_subs.jobs.arr import ArrEventKind, handle, parse_mapping, read_event
        from gptasr_subs.jobs.queue import open_queue

        event = read_event(os.environ)
        mapping = parse_mapping(folders or [])
        formats = [name.strip() for name in format.split(",") if name.strip()]
        given = {
            "formats": formats,
            "language": lang,
            "glossary": checked_glossaries(glossary or ()),
            "cast": cast,
            "names": event.names if cast else (),
        }
        asked = {name: value for name, value in given.items() if value}
        with open_queue() as queue:
            jobs = handle(event, queue, asked, mapping)
        if event.kind is ArrEventKind.TEST and not quiet:
            echo_error(f"gptasr-subs is ready for {event.program.capitalize()}.")
        for job in [] if quiet else jobs:
            echo_error(f"{job.path} is in the queue.")
