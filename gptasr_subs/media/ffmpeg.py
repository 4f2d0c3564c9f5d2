"""The ffmpeg program: finding it, building its command lines, and running it.

This is the only module that knows ffmpeg-python. Others ask for an input, choose streams of it
(``media["a:0"]``), add outputs with ``media.output(...)`` or ``join_streams``, and turn these into
a command with ``build_command``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import ffmpeg

from gptasr_subs.errors import MediaError

_TAIL_LINES = 20  # last lines of stderr that are kept
_ADDRESS = re.compile(r"\[[^\]]* @ 0x[0-9a-f]+\] ?")
_CONSEQUENCE = re.compile(
    r"Error (initializing output|while opening encoder|while decoding|writing trailer)|"
    r"Conversion failed|Could not write header|Last message repeated|Task finished|"
    r"Terminating thread|Error opening output"
)


@lru_cache(maxsize=1)
def find_ffmpeg() -> str:
    """Return the ffmpeg program: the one on the PATH, else the one that imageio-ffmpeg carries."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise MediaError(
            "ffmpeg is not installed; install it, or the Python package imageio-ffmpeg."
        ) from error


def ffmpeg_url(path: Path) -> str:
    """Return the path as ffmpeg takes it literally: no protocol, option or pattern is read into
    it.
    """
    return f"file:{path.absolute()}"


def open_input(path: Path, **options: Any) -> Any:
    """Return an input of a command. ``options`` are ffmpeg's, by name.

    Indexing it selects streams, as in ``media["a:0"]``.
    """
    return ffmpeg.input(_without_surrogates(ffmpeg_url(path)), **options)


def join_streams(*streams: Any, to: Path | str, **options: Any) -> Any:
    """Return an output that holds ``streams``.

    ``to`` is a path, or one of ffmpeg's own addresses such as ``pipe:1``. ``options`` are ffmpeg's;
    None makes a flag without a value, a list repeats the option.
    """
    distinct = {}
    for name, value in options.items():
        # ffmpeg-python takes each name once. Null bytes make names distinct; build_command removes
        # them.
        for number, single in enumerate(value if isinstance(value, list) else [value]):
            distinct[name + number * "\0"] = single
    target = ffmpeg_url(to) if isinstance(to, Path) else to
    return ffmpeg.output(*streams, _without_surrogates(target), **distinct)


def build_command(
    *outputs: Any, verbosity: str = "error", overwrite: bool = False, progress: str = ""
) -> list[str]:
    """Return the command line that writes ``outputs`` in one run.

    ``progress`` is an address to which ffmpeg writes how far it is.
    """
    whole = outputs[0] if len(outputs) == 1 else ffmpeg.merge_outputs(*outputs)
    whole = whole.global_args("-nostdin", "-v", verbosity)
    if progress:
        whole = whole.global_args("-progress", progress)
    command = whole.compile(cmd=find_ffmpeg(), overwrite_output=overwrite)
    restored = (
        re.sub("\0([\ue080-\ue0ff])", lambda found: chr(ord(found[1]) - 0xE000 + 0xDC00), word)
        for word in command
    )
    return [word.replace("\0", "") for word in restored]


def _without_surrogates(address: str) -> str:
    """Hide bytes of a name that are no UTF-8, surrogates in Python, until the command is built.

    ffmpeg-python hashes its words as strict UTF-8: meanwhile each is a null byte, which no name
    holds, and a private letter.
    """
    return re.sub(
        "[\udc80-\udcff]", lambda found: "\0" + chr(ord(found[0]) - 0xDC00 + 0xE000), address
    )


@contextmanager
def run_ffmpeg(
    command: list[str], folder: str | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], deque[str]]]:
    """Run a command in ``folder``.

    Give the process, whose stdout is a pipe, and the last lines of its stderr. On leaving, the
    process has ended and its stderr is complete.
    """
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    )
    stderr_tail: deque[str] = deque(maxlen=_TAIL_LINES)

    def drain() -> None:  # unread, stderr would fill its pipe and stop ffmpeg
        for line in child.stderr or ():
            stderr_tail.append(line.decode(errors="replace").strip())

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    try:
        yield child, stderr_tail
        child.wait()
    finally:
        child.kill()  # does nothing to one that has ended
        child.wait()
        reader.join()
        for pipe in (child.stdout, child.stderr):
            if pipe:
                pipe.close()


def complaint(stderr_tail: Iterable[str]) -> str:
    """Return the line in which ffmpeg says what is wrong, without addresses in memory.

    That is the first which is more than a consequence of others; empty if there are none.
    """
    lines = [_ADDRESS.sub("", line).strip() for line in stderr_tail]
    return next(
        (line for line in lines if line and not _CONSEQUENCE.search(line)),
        lines[-1] if lines else "",
    )
