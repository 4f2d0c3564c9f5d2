"""What the server and its recognition process send each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gptasr_subs.formats.document import Document
from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.pipeline.options import Options, Progress


@dataclass(frozen=True, slots=True)
class Task:
    """One file to recognise.

    ``urgent`` ones go ahead of others, window by window. ``follow``: text is wanted as it comes.
    ``glossary`` are the words to expect; None: those of the files beside it.
    """

    number: int
    path: Path
    options: Options = field(default_factory=Options)
    urgent: bool = False
    follow: bool = False
    glossary: Glossary | None = None


@dataclass(frozen=True, slots=True)
class Listen(Task):
    """Only the first minute of speech is wanted, for how sure the recogniser is of it."""


@dataclass(frozen=True, slots=True)
class Recall(Task):
    """Only what the journal holds is wanted: no document where that is not the whole file."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """A task is wanted no longer."""

    number: int


@dataclass(frozen=True, slots=True)
class WorkQueue:
    """Work off what is due in the queue."""


@dataclass(frozen=True, slots=True)
class CancelJob:
    """A job of the queue is wanted no longer."""

    number: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End after the windows that are being recognised."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model is there."""


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a task is; ``document`` is its text so far, where that is followed."""

    number: int
    progress: Progress
    document: Document | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A task is done. ``confidence`` is that of the words of a ``Listen``, 0 without any."""

    number: int
    document: Document | None = None
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    """A task is not done. ``is_input``: the file is to blame, not the server."""

    number: int
    reason: str
    is_input: bool = False
    is_stopped: bool = False


@dataclass(frozen=True, slots=True)
class JobMoved:
    """How far a job of the queue is."""

    number: int
    progress: Progress


@dataclass(frozen=True, slots=True)
class JobText:
    """What is known of the text of a job so far; in the end all of it."""

    number: int
    document: Document


@dataclass(frozen=True, slots=True)
class JobOver:
    """A job of the queue is over, or will be tried again."""

    number: int
    path: Path
    will_retry: bool
    seconds: float = 0.0
    elapsed: float = 0.0


@dataclass(frozen=True, slots=True)
class QueueDone:
    """Nothing is due in the queue."""


ToWorker = Task | Cancel | WorkQueue | CancelJob | Stop
FromWorker = Loaded | Moved | Finished | Failed | JobMoved | JobText | JobOver | QueueDone
