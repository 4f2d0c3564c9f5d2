"""The ffmpeg program: finding it, building its command lines, and running it.

This is the only module that knows ffmpeg-python. Others ask for an input, choose streams of it
(``film["a:0"]``), add outputs with ``film.output(...)`` or ``join_streams``, and turn these into a
command with ``build_command``.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import ffmpeg

from gptasr_subs.errors import MediaError

_TAIL_LINES = 20  # last lines of stderr that are kept


@lru_cache(maxsize=1)
def find_ffmpeg() -> str:
    """The ffmpeg program: the one on the PATH, else the one that imageio-ffmpeg carries."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise MediaError("ffmpeg is not installed; install it, or the Python package imageio-ffmpeg.") from error


def ffmpeg_url(path: Path) -> str:
    """The path as ffmpeg takes it literally: no protocol, option or pattern is read into it."""
    return f"file:{path.absolute()}"


def open_input(path: Path, **options: Any) -> Any:
    """An input of a command. ``options`` are ffmpeg's, by name.

    Indexing it selects streams, as in ``film["a:0"]``.
    """
    return ffmpeg.input(ffmpeg_url(path), **options)


def join_streams(*streams: Any, to: Path | str, **options: Any) -> Any:
    """An output that holds ``streams``.

    ``to`` is a path, or one of ffmpeg's own addresses such as ``pipe:1``. ``options`` are ffmpeg's;
    None makes a flag without a value, a list repeats the option.
    """
    distinct = {}
    for name, value in options.items():
        # ffmpeg-python takes each name once. Null bytes make names distinct; build_command removes
        # them.
        for number, single in enumerate(value if isinstance(value, list) else [value]):
            distinct[name + number * "\0"] = single
    return ffmpeg.output(*streams, ffmpeg_url(to) if isinstance(to, Path) else to, **distinct)


def build_command(*outputs: Any, verbosity: str = "error", overwrite: bool = False, progress: str = "") -> list[str]:
    """The command line that writes ``outputs`` in one run.

    ``progress`` is an address to which ffmpeg writes how far it is.
    """
    whole = outputs[0] if len(outputs) == 1 else ffmpeg.merge_outputs(*outputs)
    whole = whole.global_args("-nostdin", "-v", verbosity)
    if progress:
        whole = whole.global_args("-progress", progress)
    command = whole.compile(cmd=find_ffmpeg(), overwrite_output=overwrite)
    return [word.replace("\0", "") for word in command]


@contextmanager
def run_ffmpeg(command: list[str], folder: str | None = None) -> Iterator[tuple[subprocess.Popen[bytes], deque[str]]]:
    """Run a command in ``folder``.

    Give the process, whose stdout is a pipe, and the last lines of its stderr. On leaving, the
    process has ended and its stderr is complete.
    """
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder
    )
    stderr_tail: deque[str] = deque(maxlen=_TAIL_LINES)
    drain = threading.Thread(target=_drain, args=(child.stderr, stderr_tail), daemon=True)
    drain.start()
    try:
        yield child, stderr_tail
        child.wait()
    finally:
        child.kill()  # does nothing to one that has ended
        child.wait()
        drain.join()
        for pipe in (child.stdout, child.stderr):
            if pipe:
                pipe.close()


def _drain(pipe: IO[bytes], lines: deque[str]) -> None:
    """Keep the last lines of stderr; unread, they would fill the pipe and stop ffmpeg."""
    for line in pipe:
        lines.append(line.decode(errors="replace").strip())
