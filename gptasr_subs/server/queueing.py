"""The queue as the server asks it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from starlette.requests import Request

from gptasr_subs.errors import QueueError
from gptasr_subs.jobs.queue import Job, Queue, State, open_queue
from gptasr_subs.server.answers import Refusal

OVER = (State.DONE, State.SKIPPED, State.FAILED, State.CANCELLED)

_T = TypeVar("_T")
_Database = TypeVar("_Database")


async def ask_queue(question: Callable[[Queue], _T]) -> _T:
    """Return an answer of the queue."""
    return await ask_database(open_queue, question)


async def ask_database(
    database: Callable[[], AbstractContextManager[_Database]], question: Callable[[_Database], _T]
) -> _T:
    """Return an answer of a database that is opened for it: a connection belongs to one thread."""

    def answer() -> _T:
        with database() as opened:
            return question(opened)

    return await asyncio.to_thread(answer)


async def find_job(request: Request) -> Job:
    """The job of an address. Raises Refusal where there is none."""
    number = request.path_params["number"]
    try:
        return await ask_queue(lambda queue: queue.get(number))
    except (QueueError, OverflowError) as error:
        raise Refusal(404, f"There is no job {number}; GET /jobs lists those there are.") from error
