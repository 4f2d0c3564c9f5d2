"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Model = Annotated[
    str,
    typer.Option(
        metavar="NAME|PATH",
        help="A model that `gptasr-subs models` lists, a path, or PLUGIN:MODEL (`gptasr-subs plugins`).",
    ),
]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda (or cuda:1) or mps.")]
Beams = Annotated[
    int, typer.Option(min=0, metavar="N", help="Width of the beam search: more is better and slower (0: the model's).")
]
BatchSize = Annotated[int, typer.Option(min=0, metavar="N", help="Windows of sound recognised at once (0: what fits).")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the cause of errors.")]
