"""Bodies of requests that are JSON."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from gptasr_subs.server.answers import Refusal
from gptasr_subs.storage.files import MIB


async def read_json(request: Request, limit: int = MIB) -> dict[str, Any]:
    """The object that a request sends, of at most ``limit`` bytes. Raises Refusal."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise Refusal(413, f"The request may have {limit / MIB:.0f} MiB; this one has more.")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "This is no JSON; send an object.") from error
    if not isinstance(content, dict):
        raise Refusal(400, 'Send a JSON object such as {"path": "/films/x.mkv"}.')
    return content
