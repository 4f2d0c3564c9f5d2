"""Where the picture is cut."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from gptasr_subs.errors import MediaError
from gptasr_subs.media.ffmpeg import build_command, join_streams, open_input, run_ffmpeg

_CUT = 0.3  # ffmpeg's scene score, 0 to 1, from which on a frame belongs to another shot
# Small pictures show cuts as well. Every frame is passed on, so that its line says how far the
# video has been read.
_FILTER = "scale=160:-2,select='gte(scene,0)',metadata=print:key=lavfi.scene_score:file=-"

_log = logging.getLogger(__name__)


def find_shot_changes(
    path: str | os.PathLike[str], on_progress: Callable[[float], None] | None = None
) -> list[float]:
    """Return when new shots begin, in seconds.

    All of the picture is decoded; ``on_progress`` is called with the seconds done. Raises
    MediaError where there is no picture that can be decoded.
    """
    cuts = []
    seconds = None
    frames = join_streams(open_input(Path(path))["V:0?"], to="-", format="null", vf=_FILTER)
    with run_ffmpeg(build_command(frames)) as (child, stderr_tail):
        for line in child.stdout or ():
            # "frame:1 pts:512 pts_time:0.04", then "lavfi.scene_score=0.012"
            separator = "=" if b"=" in line else ":"
            name, _, value = line.decode(errors="replace").strip().rpartition(separator)
            if name.endswith("pts_time"):
                seconds = float(value)
                if on_progress:
                    on_progress(seconds)
            elif name == "lavfi.scene_score" and seconds is not None and float(value) >= _CUT:
                cuts.append(seconds)
    if stderr_tail:
        _log.info("%s: %s", os.fspath(path), stderr_tail[-1])
    if seconds is None:
        raise MediaError(
            f"{os.fspath(path)!r} has no picture that can be decoded; leave out --shot-changes."
        )
    return cuts
