"""Options that no file could be written with, refused before any work is done."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from gptasr_subs.errors import FormatError, UsageError
from gptasr_subs.formats import get_format
from gptasr_subs.media.languages import same_language
from gptasr_subs.pipeline.options import Options
from gptasr_subs.pipeline.plan import target_paths
from gptasr_subs.recognition.loading import OWN, split_model

STDOUT = Path("-")

_log = logging.getLogger(__name__)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


def check_options(options: Options, model: str = "default") -> None:
    """Raise UsageError for what no file could be written with, before any work is done."""
    if not _LANGUAGE.fullmatch(options.language):
        raise UsageError(f"{options.language!r} is no language code; write it like en or en-US.")
    if split_model(model)[0] == OWN and not same_language(options.language, "en"):
        _log.warning(
            "The models write English; --lang %s only goes into the file's name.", options.language
        )
    if options.burn and not re.fullmatch(r"[\w&=,. #-]+", options.burn_style):
        raise UsageError(
            "--burn-style is outline, box, or ASS fields such as Fontname=Arial,Fontsize=20."
        )
    try:
        target_paths(Path("video.mp4"), options)
    except FormatError as error:
        raise UsageError(str(error)) from error


def check_output(
    output: Path, formats: Sequence[str], inputs: int, *, into_video: bool = False
) -> None:
    """Raise UsageError where one ``output`` (``-`` for stdout) cannot hold all that is asked for.

    ``formats`` are those a person named, if any; ``into_video``: the video is to be changed or
    copied, too.
    """
    if into_video and output == STDOUT:
        raise UsageError(
            "--embed and --burn write videos, so nothing can go to stdout; leave out --output -."
        )
    if inputs > 1:
        raise UsageError(
            f"--output names one file, but there are {inputs} inputs; use --output-dir instead."
        )
    if len(formats) > 1:
        raise UsageError(
            f"--output names one file, but --format asks for {len(formats)};"
            " use --output-dir instead."
        )
    if formats and output != STDOUT and get_format(output.suffix).name not in formats:
        raise UsageError(
            f"--output {output.name!r} is no {formats[0]} file;"
            " leave out --format or change the name."
        )


def parse_formats(text: str) -> tuple[str, ...]:
    """Return the names of formats as ``srt,vtt`` lists them, each once. Raises UsageError."""
    try:
        names = [get_format(name.strip()).name for name in text.split(",") if name.strip()]
    except FormatError as error:
        raise UsageError(str(error)) from error
    if not names:
        raise UsageError("--format names no format; write for example --format srt,vtt.")
    return tuple(dict.fromkeys(names))
