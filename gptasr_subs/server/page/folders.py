"""``/folders``: the films of this computer that the page may choose from."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gptasr_subs.media.library import MEDIA_EXTENSIONS
from gptasr_subs.media.sidecars import existing_subtitles
from gptasr_subs.server.answers import Refusal
from gptasr_subs.server.paths import allowed_folder
from gptasr_subs.server.services import services_of
from gptasr_subs.server.settings import Settings


async def show(request: Request) -> Response:
    """What lies in a folder; without a path the folders that --root allows."""
    settings = services_of(request).settings
    name = request.query_params.get("path", "")
    if name:
        found = await asyncio.to_thread(_contents, name, settings)
    else:
        folders = [{"name": str(root), "path": str(root)} for root in settings.roots]
        found = {"path": "", "parent": None, "folders": folders, "files": []}
    return JSONResponse(found, headers={"cache-control": "no-store"})


ROUTES = [Route("/folders", show)]


def _contents(name: str, settings: Settings) -> dict[str, Any]:
    folder = allowed_folder(name, settings)
    if folder is None:
        raise Refusal(403, "There is no such folder among those that --root allows.")
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name.casefold())
    except OSError as error:
        raise Refusal(
            403, "This folder may not be read by the server; check its rights."
        ) from error
    entries = [path for path in entries if not path.name.startswith(".")]
    folders = [path for path in entries if path.is_dir()]
    files = [path for path in entries if path.suffix.lower() in MEDIA_EXTENSIONS and path.is_file()]
    return {
        "path": str(folder),
        "parent": "" if folder in settings.roots else str(folder.parent),
        "folders": [{"name": path.name, "path": str(path)} for path in folders],
        "files": [
            {
                "name": path.name,
                "path": str(path),
                "has_subtitles": bool(existing_subtitles(path, settings.language)),
            }
            for path in files
        ],
    }
