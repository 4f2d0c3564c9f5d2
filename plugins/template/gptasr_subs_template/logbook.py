"""A notifier: a line in its folder's ``gptasr-subs.log`` for a file done, skipped or failed."""

from __future__ import annotations

from typing import Any


def note(event: Any) -> None:
    """Write the line; the entry point names this function.

    ``event`` has media, state, outputs, reason, language, seconds and elapsed.
    """
    written = ", ".join(path.name for path in event.outputs)
    with (event.media.parent / "gptasr-subs.log").open("a", encoding="utf-8") as log:
        log.write(f"{event.media.name}: {event.state} {event.reason or written}\n")
