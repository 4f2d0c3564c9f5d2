"""The queue as the server asks it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request

from gptasr_subs.errors import QueueError
from gptasr_subs.jobs.queue import Job, Queue, State, open_queue
from gptasr_subs.server.answers import Refusal

OVER = (State.DONE, State.SKIPPED, State.FAILED, State.CANCELLED)

_T = TypeVar("_T")


async def ask_queue(question: Callable[[Queue], _T]) -> _T:
    """Return an answer of the queue, whose connection belongs to one thread."""

    def ask() -> _T:
        with open_queue() as queue:
            return question(queue)

    return await asyncio.to_thread(ask)


async def find_job(request: Request) -> Job:
    """The job of an address. Raises Refusal where there is none."""
    number = request.path_params["number"]
    try:
        return await ask_queue(lambda queue: queue.get(number))
    except (QueueError, OverflowError) as error:
        raise Refusal(404, f"There is no job {number}; GET /jobs lists those there are.") from error
