"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    str,
    typer.Option(
        metavar="NAME|PATH",
        help="A model that `gptasr-subs models` lists, a path,"
        " or PLUGIN:MODEL (`gptasr-subs plugins`).",
    ),
]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda (or cuda:1) or mps.")]
Beams = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        help="Width of the beam search: more is better and slower (0: the model's).",
    ),
]
BatchSize = Annotated[
    int,
    typer.Option(min=0, metavar="N", help="Windows of audio recognised at once (0: what fits)."),
]
GlossaryFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--glossary", metavar="FILE", help="Names and words to expect, one a line. Repeatable."
    ),
]
Cast = Annotated[
    bool, typer.Option("--cast", help="Expect the names of the cast in .nfo files beside videos.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the cause of errors.")]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OverwriteOutput = Annotated[
    bool, typer.Option("--overwrite", help="Replace the output if it exists.")
]
AudioTrack = Annotated[
    str, typer.Option(metavar="N|LANG", help="Audio track by number (the first is 0) or language.")
]

# What subtitles, the queue, a watched folder and `explain` share.
Format = Annotated[str, typer.Option(metavar="srt,vtt,...", help="Formats to write.")]
Lang = Annotated[
    str, typer.Option(metavar="CODE", help="Language spoken; its code goes into the file's name.")
]
OutputDir = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Write here, not beside the videos.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace subtitles that exist already.")
]
OnlyIfAudio = Annotated[
    str, typer.Option(metavar="CODE", help="Skip videos without an audio track in this language.")
]
Length = Annotated[
    str, typer.Option(metavar="MIN-MAX", help="Skip shorter and longer videos (minutes; 5-, -240).")
]
Size = Annotated[
    str, typer.Option(metavar="MIN-MAX", help="Skip smaller and larger files (MiB; 50-, -20000).")
]
OnDone = Annotated[
    str, typer.Option(metavar="CMD", help="Shell command to run for each video that is done.")
]
OnError = Annotated[
    str, typer.Option(metavar="CMD", help="Shell command to run for each video that failed.")
]
NewestFirst = Annotated[
    bool, typer.Option("--newest-first", help="Take what was asked for last first.")
]
