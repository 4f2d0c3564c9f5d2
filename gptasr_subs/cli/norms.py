"""``--preset`` and a flag for every norm, made from the table of norms."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from enum import Enum
from functools import wraps
from typing import Annotated, Any

import typer

from gptasr_subs.cli.console import handle_errors
from gptasr_subs.cli.options import LOOK
from gptasr_subs.cues.norms import PRESETS, Norms

Preset = Enum("Preset", {name: name for name in PRESETS}, type=str)  # type: ignore[misc]
Fps = Annotated[
    float,
    typer.Option(
        metavar="X",
        rich_help_panel=LOOK,
        help="Frames per second of the video; gaps are counted in them.",
    ),
]

_FLAGS = [norm for norm in fields(Norms) if norm.metadata]


def with_norms(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, which takes ``norms``, the flags that choose them.

    A flag beats the preset.
    """

    @wraps(command)
    def chosen(*args: Any, preset: Preset, **options: Any) -> None:
        flags = {norm.name: options.pop(norm.name) for norm in _FLAGS}
        with handle_errors(quiet=False, verbose=False):
            given = {name: value for name, value in flags.items() if value is not None}
            norms = replace(PRESETS[preset.value], **given)
        command(*args, norms=norms, **options)

    # Typer reads the signature: the flags stand there in the place of ``norms``.
    signature = inspect.signature(command, eval_str=True)
    preset = typer.Option(
        rich_help_panel=LOOK, help="The norms to keep; the flags that follow change single ones."
    )
    flags = [_parameter("preset", Annotated[Preset, preset], next(iter(Preset)))]
    for norm in _FLAGS:
        kind = int if norm.type == "int" else float
        option = typer.Option(
            metavar="N" if kind is int else "X", rich_help_panel=LOOK, help=norm.metadata["help"]
        )
        flags.append(_parameter(norm.name, Annotated[kind | None, option], None))
    parameters = list(signature.parameters.values())
    place = [parameter.name for parameter in parameters].index("norms")
    parameters[place : place + 1] = flags
    chosen.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    chosen.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return chosen


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )
