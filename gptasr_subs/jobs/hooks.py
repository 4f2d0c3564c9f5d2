"""Commands and notifiers of other packages that are called when a video is done or has failed."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gptasr_subs.errors import GptasrError, error_line
from gptasr_subs.pipeline.options import Options, Result
from gptasr_subs.plugins import load_plugins, make_notifier

PATIENCE = 300.0  # seconds that a command may take

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """How one video went. ``state`` is done, skipped or failed.

    ``seconds`` of audio took ``elapsed`` seconds. ``outputs`` are the files that were written,
    ``reason`` says why it was skipped or failed. ``confidence`` is the mean of its ``words``;
    ``node`` is the machine that did it, where there are several.
    """

    media: Path
    state: str
    outputs: tuple[Path, ...] = ()
    reason: str = ""
    language: str = "en"
    seconds: float = 0.0
    elapsed: float = 0.0
    words: int = 0
    confidence: float = 0.0
    node: str = ""


def event_of(result: Result, options: Options) -> Event:
    """Return the event of a video that did not fail."""
    words = result.document.words if result.document else ()
    return Event(
        result.media,
        "done" if result.written else "skipped",
        outputs=result.written,
        reason="" if result.written else "all that is asked for is there already",
        language=options.language,
        seconds=result.seconds,
        elapsed=result.elapsed,
        words=len(words),
        confidence=sum(word.confidence for word in words) / max(len(words), 1),
    )


def reason_of(error: Exception) -> str:
    """An error in one line."""
    return str(error) if isinstance(error, GptasrError) else error_line(error)


@dataclass
class Hooks:
    """Shell commands for videos that are done or failed, and every installed notifier."""

    on_done: str = ""
    on_error: str = ""
    notifiers: dict[str, Callable[..., object]] = field(
        default_factory=lambda: load_plugins("notifiers", make_notifier)
    )

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to call."""
        return not (self.on_done or self.on_error or self.notifiers)

    def notify(self, event: Event) -> None:
        """Call all of them; one that fails is named in a warning and stops no other."""
        command = {"done": self.on_done, "failed": self.on_error}.get(event.state, "")
        if command:
            _run(command, event)
        for name, notifier in self.notifiers.items():
            try:
                notifier(event)
            except Exception as error:  # third-party code may fail in any way
                reason = error_line(error)
                _log.warning("The notifier %s failed on %r (%s).", name, str(event.media), reason)


def environment(event: Event) -> dict[str, str]:
    """The facts that a command finds in its environment."""
    return {
        "GPTASR_STATE": event.state,
        "GPTASR_MEDIA": str(event.media),
        "GPTASR_OUTPUTS": os.pathsep.join(map(str, event.outputs)),
        "GPTASR_REASON": event.reason,
        "GPTASR_LANGUAGE": event.language,
        "GPTASR_SECONDS": f"{event.seconds:.3f}",
        "GPTASR_ELAPSED": f"{event.elapsed:.3f}",
    }


def _run(command: str, event: Event) -> None:
    """Run the user's shell command; facts go into its environment, so that no name can break it."""
    try:
        done = subprocess.run(
            command, shell=True, env={**os.environ, **environment(event)}, timeout=PATIENCE,
            stdin=subprocess.DEVNULL, capture_output=True, check=False, encoding="utf-8",
            errors="replace",
        )  # fmt: skip
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        _log.warning("The command %r could not be run to its end (%s).", command, error)
        return
    if done.returncode:
        reason = " ".join(done.stderr.split())[-200:] or "it said nothing"
        _log.warning(
            "The command %r failed with exit code %d: %s", command, done.returncode, reason
        )
