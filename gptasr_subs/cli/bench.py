"""``gptasr-subs bench``: how fast a model decodes on this computer."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gptasr_subs.cli.console import handle_errors, table, write_stdout
from gptasr_subs.cli.options import AsJson, Device, Model, Verbose

if TYPE_CHECKING:
    from gptasr_subs.evaluation.speed import Stages, Timing

_STAGES = ("load", "decode", "segmentation", "recognition", "alignment", "cues", "whole")


def bench(
    video: Annotated[
        Path | None, typer.Argument(metavar="[VIDEO]", help="Time this video stage by stage.")
    ] = None,
    model: Model = "default",
    random: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="A published configuration with random weights instead of a model."
        ),
    ] = "",
    device: Device = "auto",
    batch_sizes: Annotated[
        str, typer.Option("--batch-size", metavar="N,N,...", help="Clips at once.")
    ] = "1,8",
    beams: Annotated[
        str, typer.Option(metavar="N,N,...", help="Widths of the beam search.")
    ] = "1,8",
    tokens: Annotated[
        str, typer.Option(metavar="N,N,...", help="Tokens that each clip gets.")
    ] = "60",
    seconds: Annotated[
        float, typer.Option(min=0.5, metavar="S", help="Length of each clip.")
    ] = 16.0,
    runs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Runs that the median is taken of.")
    ] = 5,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Time a model on noise of fixed length, or a video stage by stage."""
    with handle_errors(quiet=False, verbose=verbose):
        from gptasr_subs.evaluation import speed as module
        from gptasr_subs.recognition.gptasr import choose_device, load_gptasr

        where = module.machine(choose_device(device))
        if video:
            stages = [module.measure_media(video, model, device) for _ in range(runs)]
            best = sorted(stages, key=lambda run: run.whole)[len(stages) // 2]
            found = {"machine": where, "path": str(video), **asdict(best)}
            write_stdout(
                json.dumps(found, indent=2) + "\n" if as_json else f"{where}\n{_stages(best)}"
            )
            return
        recognizer = (
            module.random_recognizer(random, device) if random else load_gptasr(model, device)
        )
        chosen = product(_numbers(batch_sizes), _numbers(beams), _numbers(tokens))
        timings = [
            module.measure(recognizer, module.Setting(batch, width, count, seconds), runs)
            for batch, width, count in chosen
        ]
        facts = (
            f"{recognizer.name}, {str(recognizer.checkpoint.model.gpt.dtype).rpartition('.')[2]}"
        )
        if as_json:
            rows = [
                {**asdict(timing), "total": timing.total, "rtfx": timing.rtfx} for timing in timings
            ]
            write_stdout(
                json.dumps(
                    {"machine": where, "model": facts, "runs": runs, "timings": rows}, indent=2
                )
                + "\n"
            )
        else:
            write_stdout(f"{facts}; {where}\n{_timings(timings)}")


def _numbers(text: str) -> list[int]:
    from gptasr_subs.errors import UsageError

    numbers = [
        int(number) for number in text.split(",") if number.strip().isdecimal() and int(number)
    ]
    if len(numbers) != len(text.split(",")):
        raise UsageError(f"{text!r} is no list of whole numbers above 0; write for example 1,8.")
    return numbers


def _timings(timings: list[Timing]) -> str:
    """Return a table; its seconds are those for each transcription."""
    head = (
        "BATCH",
        "BEAMS",
        "TOKENS",
        "FRONT END",
        "ENCODER+PREFILL",
        "STEPS",
        "S/CLIP",
        "RTFX",
        "PEAK MIB",
    )
    rows = [
        (
            str(timing.setting.batch),
            str(timing.setting.beams),
            str(timing.setting.tokens),
            f"{timing.front_end:.4f}",
            f"{timing.prefill:.4f}",
            f"{timing.steps:.4f}",
            f"{timing.total:.4f}",
            f"{timing.rtfx:.1f}",
            str(timing.peak >> 20),
        )
        for timing in timings
    ]
    return table([head, *rows])


def _stages(found: Stages) -> str:
    rows = [(name, f"{getattr(found, name):.2f}") for name in _STAGES]
    rows += [
        ("RTFx", f"{found.media_seconds / found.whole:.1f}"),
        ("peak MiB", str(found.peak >> 20)),
    ]
    return table([("STAGE", "SECONDS"), *rows])
