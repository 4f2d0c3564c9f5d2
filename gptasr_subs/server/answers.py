"""Answers to clients: refusals in the shape that each API knows, signs of life while they wait,
and events.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gptasr_subs.errors import GptasrError

_SENTENCES = {
    404: "There is nothing at this address; docs/server.md lists what there is.",
    405: "This address is not used with this method; docs/server.md lists what there is.",
}


class Refusal(GptasrError):
    """A request that is not answered as was hoped: an HTTP status and a sentence.

    ``code`` and ``param`` are for clients of OpenAI's API.
    """

    def __init__(
        self, status: int, sentence: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        """``status`` and ``sentence`` are for everyone."""
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.param = param


class CutOff(Exception):
    """An answer that has begun cannot be given: its connection is closed before its end."""


def refusal_response(path: str, refusal: Refusal) -> Response:
    """A refusal as clients of this path understand it.

    Bazarr reads every JSON object as a result, so it and all others get plain text.
    """
    headers = {"x-should-retry": "true" if refusal.status in (408, 503) else "false"}
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if path.startswith("/v1/"):
        return JSONResponse(openai_error(refusal), refusal.status, headers)
    if path.startswith(("/jobs", "/uploads", "/folders")):
        return JSONResponse({"error": str(refusal)}, refusal.status, headers)
    return PlainTextResponse(f"{refusal}\n", refusal.status, headers)


def openai_error(refusal: Refusal) -> dict[str, Any]:
    """The object that OpenAI's clients turn into their exceptions."""
    kinds = {401: "authentication_error", 404: "not_found_error", 413: "invalid_request_error"}
    kind = "server_error" if refusal.status >= 500 else "invalid_request_error"
    return {
        "error": {
            "message": str(refusal),
            "type": kinds.get(refusal.status, kind),
            "param": refusal.param,
            "code": refusal.code,
        }
    }


async def answer_refusal(request: Request, error: Exception) -> Response:
    """The exception handler of the application: every error becomes a sentence."""
    if isinstance(error, HTTPException):
        sentence = _SENTENCES.get(error.status_code, f"{error.detail}.")
        error = Refusal(error.status_code, sentence)
    if isinstance(error, ClientDisconnect):
        error = Refusal(400, "The request is cut short; send it again.")
    if not isinstance(error, Refusal):
        sentence = "Something went wrong that should not; the server's log says what."
        if isinstance(error, GptasrError):
            sentence = str(error)
        error = Refusal(500, sentence)
    return refusal_response(request.url.path, error)


def event(data: Mapping[str, Any] | str, name: str = "") -> bytes:
    """One server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {text}\n\n".encode()
