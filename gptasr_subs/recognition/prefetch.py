"""Items that a thread prepares while others are worked on."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from queue import Empty, Queue
from typing import TypeVar

from gptasr_subs.recognition.workers import no_fork

_T = TypeVar("_T")
_PATIENCE = 2.0  # seconds that closing waits for the thread; it ends by itself at its next item


def prefetch(items: Iterable[_T], most: int) -> Iterator[_T]:
    """Yield the same items in order; up to ``most`` are fetched, in a thread, before they are asked
    for.

    What fetching raises is raised in its place. If this is closed early, no more than one item is
    still fetched.
    """
    waiting: Queue[list[_T]] = Queue(most)  # an item in a list; an empty list is the end
    raised: list[BaseException] = []
    stopped = threading.Event()

    def fetch() -> None:
        source = iter(items)
        try:
            while not stopped.is_set():
                with no_fork():
                    found = list(islice(source, 1))
                if not found:
                    break
                waiting.put(found)
        except BaseException as error:  # of whatever kind, it belongs to the one who asks
            raised.append(error)
        finally:
            if close := getattr(source, "close", None):
                close()
            waiting.put([])

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    ended = False
    try:
        while found := waiting.get():
            yield found[0]
        ended = True
    finally:
        stopped.set()
        with suppress(Empty):
            while not ended:  # a thread that waits for room must find some
                ended = not waiting.get(timeout=_PATIENCE)
    thread.join()
    if raised:
        raise raised[0]
