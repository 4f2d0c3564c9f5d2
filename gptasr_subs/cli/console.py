"""What a person reads on stderr: errors, places in a video, closing lines."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import typer

from gptasr_subs.errors import GptasrError, UsageError, error_line

INTERRUPTED = 130  # what shells expect of a program that is interrupted


@contextmanager
def handle_errors(quiet: bool, verbose: bool) -> Iterator[None]:
    """Every error inside ends as one sentence and an exit code, ``verbose`` with its traceback."""
    try:
        with _logging_to_stderr(
            logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING
        ):
            yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        echo_error("Stopped; no half-written file is left.")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:  # whoever read our output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except Exception as error:
        show_error(error, verbose)
        raise typer.Exit(2 if isinstance(error, UsageError) else 1) from None


@contextmanager
def _logging_to_stderr(level: int) -> Iterator[None]:
    """Show warnings of the package as lines on stderr, until the end of the block."""
    log = logging.getLogger("gptasr_subs")
    before = log.handlers, log.level
    log.handlers = [_Stderr()]
    log.setLevel(level)
    try:
        yield
    finally:
        log.handlers = before[0]
        log.setLevel(before[1])


class _Stderr(logging.Handler):
    """Looks up stderr at each line, for a progress bar puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        echo_error(self.format(record))


def show_error(error: Exception, verbose: bool = False, subject: Path | None = None) -> None:
    """The sentence of an error; ``subject`` is put in front where the sentence does not name it."""
    if verbose:
        echo_error(
            "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
        )
    message = str(error)
    if not isinstance(error, GptasrError):
        trouble = f"Something went wrong that should not ({error_line(error)})"
        advice = "run again with --verbose to see where"
        if verbose:
            advice = "please report the lines above"
        if isinstance(error, ImportError):  # of a package that is broken, or only half there
            advice = "'gptasr-subs doctor' says what to do"
        message = f"{trouble}; {advice}."
    # Names in sentences are quoted; one may be that of the file written for the subject.
    if subject and repr(subject.stem)[1:-1] not in message:
        message = f"{display_path(subject)}: {message}"
    echo_error(message)


def require_extra(extra: str, *packages: str) -> None:
    """Raise GptasrError where packages of an extra are missing, before any work is done."""
    missing = ", ".join(name for name in packages if find_spec(name) is None)
    if missing:
        raise GptasrError(
            f"Packages are missing ({missing}); run: pip install 'gptasr-subs[{extra}]'."
        )


def echo_error(text: str) -> None:
    """A line on stderr, whatever letters are in it."""
    print(text, file=sys.stderr, flush=True)


def write_stdout(text: str) -> None:
    """Output for programs: UTF-8 on stdout on every system, names as the file system has them."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", errors="surrogateescape"))
    sys.stdout.buffer.flush()


def display_path(path: Path) -> str:
    """Return a path on one line: quoted where it holds what a terminal would not print as it is."""
    return str(path) if str(path).isprintable() else repr(str(path))


def clock(seconds: float) -> str:
    """``01:40:00``."""
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def table(rows: list[tuple[str, ...]]) -> str:
    """Return columns, the first row their heads."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)
