"""Clients that send next to nothing are sent away; what is slow but alive is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message

from gptasr_subs.server.answers import Refusal, answer_refusal
from gptasr_subs.server.patience import BODY_PART, Patience

PATIENCE = 0.5  # seconds


def answer_to(parts: Iterator[tuple[float, bytes]]) -> tuple[int, str]:
    """Status and text for a client that sends each part of its body so many seconds after the
    one before.
    """

    async def count(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    app = Patience(
        Starlette(
            routes=[Route("/", count, methods=["POST"])],
            exception_handlers={Refusal: answer_refusal},
        ),
        patience=PATIENCE,
    )
    sent: list[Message] = []

    async def receive() -> Message:
        pause, body = next(parts, (0.0, b""))
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": body, "more_body": bool(body)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], sent[1]["body"].decode()


def test_a_byte_now_and_then_is_not_enough() -> None:
    status, sentence = answer_to(iter([(PATIENCE / 10, b"x")] * 1000))
    assert status == 408 and sentence.endswith("send the request again.\n")


def test_silence_is_not_enough() -> None:
    assert answer_to(iter([(0.0, bytes(BODY_PART)), (2 * PATIENCE, b"x")]))[0] == 408


def test_a_slow_client_that_goes_on_is_waited_for() -> None:
    parts = 3 * [(PATIENCE / 2, bytes(BODY_PART))]
    assert answer_to(iter(parts)) == (200, str(3 * BODY_PART))
