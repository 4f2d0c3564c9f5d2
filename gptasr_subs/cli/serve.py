"""``gptasr-subs serve``: the subtitle service of a house."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gptasr_subs.cli.console import handle_errors, require_extra
from gptasr_subs.cli.options import Device, Lang, Model, Quiet, Verbose

_PACKAGES = ("starlette", "uvicorn", "python_multipart", "prometheus_client", "wyoming")


def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Listen here; 0.0.0.0 is every network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 9000,
    wyoming: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, metavar="PORT", help="Listen here too, for Home Assistant: 10300."
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            envvar="GPTASR_SUBS_KEY",
            help="Clients must send it: as bearer token, or in the path, /k/KEY/. Repeatable.",
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="192.168.1.0/24: needs no key. Repeatable."),
    ] = None,
    no_key: Annotated[bool, typer.Option("--no-key", help="Everyone may use the server.")] = False,
    root: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Jobs may name files in it. Repeatable."),
    ] = None,
    map: Annotated[
        list[str] | None,
        typer.Option(
            metavar="THERE=HERE",
            help="Where a folder that Bazarr names is here: /films=/srv/films. Repeatable.",
        ),
    ] = None,
    max_upload: Annotated[
        float, typer.Option(min=0, metavar="MIB", help="Refuse larger uploads (0: no limit).")
    ] = 0,
    idle: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="Give the memory back after so long without work."
        ),
    ] = 300,
    placeholder: Annotated[
        str,
        typer.Option(metavar="TEXT", help="One subtitle for Bazarr where nobody speaks."),
    ] = "",
    fd: Annotated[
        int | None, typer.Option(metavar="N", help="A socket that listens already, by number.")
    ] = None,
    lang: Lang = "en",
    model: Model = "default",
    device: Device = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Serve subtitles to Bazarr, clients of OpenAI's API and Home Assistant, and jobs over HTTP."""
    with handle_errors(quiet, verbose):
        require_extra("server", *_PACKAGES)
        from gptasr_subs.server.running import serve as run
        from gptasr_subs.server.settings import (
            Settings,
            existing_folder,
            mebibytes,
            parse_map,
            parse_network,
        )
        from gptasr_subs.server.sockets import host_of, take_socket

        listener = take_socket(fd) if fd is not None else None
        settings = Settings(
            host_of(listener) if listener else host,
            port,
            wyoming_port=wyoming,
            keys=tuple(key or ()),
            allow=tuple(parse_network(text) for text in allow or ()),
            no_key=no_key,
            roots=tuple(existing_folder(folder, "--root") for folder in root or ()),
            maps=tuple(parse_map(text) for text in map or ()),
            model=model,
            device=device,
            language=lang,
            max_upload=mebibytes(max_upload),
            idle_seconds=idle,
            placeholder=placeholder,
        )
        run(settings, listener, quiet=quiet)
