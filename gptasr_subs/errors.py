"""One family of errors, and the wording that messages share.

Every message is one sentence: what happened and what to do next.
"""

from __future__ import annotations


class GptasrError(Exception):
    """Base of all errors a user can meet.

    The command line prints it without a traceback and exits with 1.
    """


class MediaError(GptasrError):
    """The file is missing, is not media, or holds no audio that can be decoded."""


class ModelError(GptasrError):
    """A checkpoint is missing, is of another network, or cannot run on the device asked for."""


class OutputError(GptasrError):
    """A file could not be written; what stood there before is untouched."""


class SharedNameError(OutputError):
    """Two media files would be written to one file of subtitles."""


class FormatError(GptasrError):
    """A subtitle or manifest file could not be understood, or a format has no writer."""


class UsageError(GptasrError):
    """The options contradict one another; the command line exits with 2."""


class FarmError(GptasrError):
    """The cluster cannot be used, or what lies at an address cannot be reached."""


class QueueError(GptasrError):
    """The queue cannot be read or written, or holds no such job."""


def error_line(error: BaseException) -> str:
    """Return an error of any kind in one line: its class and what it says."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")


def system_reason(error: OSError) -> str:
    """Return what the system says of an error, to stand within a sentence."""
    return (error.strerror or str(error)).lower()


def plural(count: int, noun: str) -> str:
    """Return ``1 file``, ``2 files``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
