"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gptasr_subs.cli.completion import complete_formats, complete_models

# Panels of `--help`, by what a person wants to do.
RESULT = "What is written, and where"
SPEECH = "What is listened to, and by which model"
LOOK = "How subtitles read and look"
WORK = "How the work goes on"
CHOICE = "Which videos are taken"
CLUSTER = "Many machines"

Model = Annotated[
    str,
    typer.Option(
        metavar="NAME|PATH",
        autocompletion=complete_models,
        rich_help_panel=SPEECH,
        help="A model that `gptasr-subs models` lists, a path,"
        " or PLUGIN:MODEL (`gptasr-subs plugins`).",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="DEVICE", rich_help_panel=SPEECH, help="auto, cpu, cuda (or cuda:1) or mps."
    ),
]
Beams = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        rich_help_panel=SPEECH,
        help="Width of the beam search: more is better and slower (0: the model's).",
    ),
]
BatchSize = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        rich_help_panel=SPEECH,
        help="Windows of audio recognised at once (0: what fits).",
    ),
]
GlossaryFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--glossary",
        metavar="FILE",
        rich_help_panel=SPEECH,
        help="Names and words to expect, one a line. Repeatable.",
    ),
]
Cast = Annotated[
    bool,
    typer.Option(
        "--cast",
        rich_help_panel=SPEECH,
        help="Expect the names of the cast in .nfo files beside videos.",
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", rich_help_panel=WORK, help="Print errors only.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", rich_help_panel=WORK, help="Show the cause of errors.")
]

AsJson = Annotated[bool, typer.Option("--json", rich_help_panel=RESULT, help="Print JSON.")]
OverwriteOutput = Annotated[
    bool,
    typer.Option("--overwrite", rich_help_panel=RESULT, help="Replace the output if it exists."),
]
AudioTrack = Annotated[
    str,
    typer.Option(
        metavar="N|LANG",
        rich_help_panel=SPEECH,
        help="Audio track by number (the first is 0) or language.",
    ),
]

# What subtitles, the queue, a watched folder and `explain` share.
Format = Annotated[
    str,
    typer.Option(
        metavar="srt,vtt,...",
        autocompletion=complete_formats,
        rich_help_panel=RESULT,
        help="Formats to write.",
    ),
]
Lang = Annotated[
    str,
    typer.Option(
        metavar="CODE",
        rich_help_panel=SPEECH,
        help="Language spoken; its code goes into the file's name.",
    ),
]
OutputDir = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", rich_help_panel=RESULT, help="Write here, not beside the videos."
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", rich_help_panel=RESULT, help="Replace subtitles that exist already."
    ),
]
OnlyIfAudio = Annotated[
    str,
    typer.Option(
        metavar="CODE",
        rich_help_panel=CHOICE,
        help="Skip videos without an audio track in this language.",
    ),
]
Length = Annotated[
    str,
    typer.Option(
        metavar="MIN-MAX",
        rich_help_panel=CHOICE,
        help="Skip shorter and longer videos (minutes; 5-, -240).",
    ),
]
Size = Annotated[
    str,
    typer.Option(
        metavar="MIN-MAX",
        rich_help_panel=CHOICE,
        help="Skip smaller and larger files (MiB; 50-, -20000).",
    ),
]
OnDone = Annotated[
    str,
    typer.Option(
        metavar="CMD",
        rich_help_panel=WORK,
        help="Shell command to run for each video that is done.",
    ),
]
OnError = Annotated[
    str,
    typer.Option(
        metavar="CMD", rich_help_panel=WORK, help="Shell command to run for each video that failed."
    ),
]
NewestFirst = Annotated[
    bool,
    typer.Option(
        "--newest-first", rich_help_panel=CHOICE, help="Take what was asked for last first."
    ),
]

# What a farm and the queue share.
RayCluster = Annotated[
    str,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        rich_help_panel=CLUSTER,
        help="Work on this Ray cluster: auto, HOST:PORT, or local:2 for two workers here.",
    ),
]
CpusPerWorker = Annotated[
    float,
    typer.Option(
        min=0.01, metavar="X", rich_help_panel=CLUSTER, help="CPUs that each worker there takes."
    ),
]
GpusPerWorker = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="X",
        rich_help_panel=CLUSTER,
        help="GPUs that each worker there takes; 0.25: four share one.",
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        rich_help_panel=CLUSTER,
        help="Workers to ask for (0: as many as there is room for).",
    ),
]
Tries = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        rich_help_panel=CLUSTER,
        help="How often a film is begun whose workers are lost.",
    ),
]
