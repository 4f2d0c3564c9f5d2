"""How long a client is waited for, and what happens to the rest of a request that is refused.

A client that is cut off while it sends takes the server for broken: Bazarr leaves it alone for a
day. So what it sends is read to its end before it is refused, except where it asked first
(``Expect: 100-continue``).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import h11
import uvicorn
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from gptasr_subs.server.answers import CutOff, Refusal

BODY_PATIENCE = 30.0  # seconds that a body is waited for until a ``BODY_PART`` of it has come
BODY_PART = 16 << 10  # bytes; half a second of Bazarr's audio, and 20 s of speech at its smallest
HEADER_PATIENCE = 30.0  # seconds from the connection to the end of its first headers

_DRAIN_PATIENCE = 300.0  # seconds for the rest of a request that is refused


class Patience:
    """ASGI middleware: times out slow bodies and reads refused ones to their end."""

    def __init__(self, app: ASGIApp, patience: float = BODY_PATIENCE) -> None:
        """``patience`` is in seconds."""
        self._app = app
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._patience)
        asks_first = "100-continue" in Headers(scope=scope).get("expect", "").lower()

        async def send_after_body(message: Message) -> None:
            if message["type"] == "http.response.start" and (body.is_begun or not asks_first):
                await body.drain()
            try:
                await send(message)
            except h11.LocalProtocolError as error:  # the body was broken, which is answered
                raise CutOff from error

        # A connection on which an answer is left unfinished is closed by uvicorn
        with suppress(CutOff):
            await self._app(scope, body.receive, send_after_body)


class _Body:
    """The body of one request while it comes in."""

    def __init__(self, receive: Receive, patience: float) -> None:
        self.is_begun = False
        self._receive = receive
        self._patience = patience
        self._left = patience  # seconds to wait for the rest of a part
        self._part = 0  # bytes of it that have come
        self._is_over = False  # complete, or given up
        self._reading = asyncio.Lock()  # one waits for the client's end, another drains

    async def receive(self) -> Message:
        """As ASGI says. Raises Refusal where too little comes for too long."""
        async with self._reading:
            if not self._is_over:
                return await self._receive_part()
        return await self._receive()

    async def drain(self) -> None:
        """Read what is left and drop it."""

        async def read() -> None:
            while not self._is_over:
                async with self._reading:
                    if not self._is_over:
                        await self._receive_part()

        try:
            await asyncio.wait_for(read(), _DRAIN_PATIENCE)
        except (Refusal, asyncio.TimeoutError):
            self._is_over = True

    async def _receive_part(self) -> Message:
        self.is_begun = True
        begun = time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), self._left)
        except asyncio.TimeoutError:
            self._is_over = True
            raise Refusal(
                408,
                f"Next to nothing came for {self._patience:.0f} s; send the request again.",
            ) from None
        self._left -= time.monotonic() - begun
        self._part += len(message.get("body", b""))
        if self._part >= BODY_PART:
            self._left = self._patience
            self._part = 0
        if not message.get("more_body"):
            self._is_over = True
        return message


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection on which no request is begun in time."""

    def connection_made(self, transport: Any) -> None:
        """Called by asyncio."""
        super().connection_made(transport)

        def close_if_silent() -> None:
            if self.cycle is None:
                self.transport.close()

        self._deadline = self.loop.call_later(HEADER_PATIENCE, close_if_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._deadline.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Called where a request cannot be understood.

        Its answer may have begun before that, or may not have a body.
        """
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.transport.close()


def server_config(app: ASGIApp, **settings: Any) -> uvicorn.Config:
    """How uvicorn runs the application.

    Forwarded addresses are not believed: ``--allow`` means who connects.
    """
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=1 << 16,
        limit_concurrency=1000,
        timeout_graceful_shutdown=30,
        log_config=None,
        **settings,
    )
