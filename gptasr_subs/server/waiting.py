"""Answers that take long: headers at once, a sign of life now and then, the text once it is final.

A part of a subtitle file would be taken for the whole. So nothing of it is sent before all is
known, and where it cannot be had any more the connection is cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gptasr_subs.server.answers import CutOff, Refusal
from gptasr_subs.server.messages import Finished
from gptasr_subs.server.recognition import Recognition, RecognitionTask, Work

_VTT_HEADING = "WEBVTT\n"


@dataclass(frozen=True, slots=True)
class AnswerStyle:
    """How a client is kept waiting and then answered.

    ``opening`` is sent before the first sign of life, ``blank``, which comes every ``keepalive``
    seconds; whole answers are ``opening`` and what ``render`` makes, or raises Refusal.
    ``apology`` is what ends an answer that began and cannot be given; without one the connection
    is cut.
    """

    render: Callable[[Finished], str]
    media_type: str
    keepalive: float
    opening: str = ""
    blank: str = "\n"
    apology: Callable[[Refusal], str] | None = None


def vtt_style(render: Callable[[Finished], str], media_type: str, keepalive: float) -> AnswerStyle:
    """WebVTT, which ``render`` makes whole: its heading at once, comments as signs of life."""
    return AnswerStyle(
        lambda finished: render(finished).removeprefix(_VTT_HEADING),
        media_type,
        keepalive,
        opening=_VTT_HEADING,
        blank="\nNOTE recognising\n",
    )


async def answer_later(
    recognition: Recognition, task: RecognitionTask, style: AnswerStyle
) -> Response:
    """The answer to a request for a recognition.

    What is known soon, errors too, is answered plainly. Raises Refusal.
    """
    stack = AsyncExitStack()
    async with stack:
        work = await stack.enter_async_context(recognition.join(task))
        if await work.wait(style.keepalive):
            text = await asyncio.to_thread(style.render, await work.result())
            return Response(style.opening + text, media_type=style.media_type)
        parts = _parts(work, style)
        return WaitingResponse(parts, stack.pop_all(), media_type=style.media_type)


class WaitingResponse(StreamingResponse):
    """A stream during which a work is waited for, whatever becomes of the stream."""

    def __init__(
        self, parts: AsyncIterator[bytes], stack: AsyncExitStack, *, media_type: str
    ) -> None:
        """``stack`` is closed in the end: it leaves the work."""
        super().__init__(parts, media_type=media_type, headers={"cache-control": "no-store"})
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI says."""
        async with self._stack:
            await super().__call__(scope, receive, send)


async def _parts(work: Work, style: AnswerStyle) -> AsyncIterator[bytes]:
    yield (style.opening + style.blank).encode()
    while not await work.wait(style.keepalive):
        yield style.blank.encode()
    try:
        text = await asyncio.to_thread(style.render, await work.result())
    except Refusal as refusal:
        if style.apology is None:
            raise CutOff from refusal
        text = style.apology(refusal)
    yield text.encode()
