"""``/uploads``: films in pieces, as resumable uploads are made."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gptasr_subs.server.answers import Refusal
from gptasr_subs.server.bodies import read_json
from gptasr_subs.server.services import services_of

_LARGEST = 1 << 50  # bytes that anybody means


async def begin(request: Request) -> Response:
    """A new upload of a name and a size."""
    content = await read_json(request)
    name = content.get("name")
    size = content.get("size")
    if not isinstance(name, str) or not isinstance(size, int) or not 0 < size < _LARGEST:
        raise Refusal(400, 'Send the name and the bytes of a file, {"name": "x.mkv", "size": 7}.')
    films = services_of(request).films
    number = await asyncio.to_thread(films.begin, name, size)
    return JSONResponse({"id": number, "offset": 0}, 201, {"location": f"/uploads/{number}"})


async def show(request: Request) -> Response:
    """How much of an upload has come."""
    part = services_of(request).films.find(request.path_params["id"])
    return Response(status_code=204, headers=_facts(part.offset, part.size))


async def receive(request: Request) -> Response:
    """The next bytes of an upload."""
    films = services_of(request).films
    number = request.path_params["id"]
    offset = request.headers.get("upload-offset", "")
    if not offset.isdecimal():
        raise Refusal(400, "Say in Upload-Offset at which byte this piece begins.")
    received = await films.receive(number, int(offset), request.stream())
    return Response(status_code=204, headers=_facts(received, films.find(number).size))


async def discard(request: Request) -> Response:
    """Give an upload up."""
    services_of(request).films.discard(request.path_params["id"])
    return Response(status_code=204)


ROUTES = [
    Route("/uploads", begin, methods=["POST"]),
    Route("/uploads/{id}", show, methods=["HEAD"]),
    Route("/uploads/{id}", receive, methods=["PATCH"]),
    Route("/uploads/{id}", discard, methods=["DELETE"]),
]


def _facts(offset: int, size: int) -> dict[str, str]:
    return {
        "upload-offset": str(offset),
        "upload-length": str(size),
        "cache-control": "no-store",
    }
