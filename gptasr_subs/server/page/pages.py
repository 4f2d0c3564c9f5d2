"""The pages themselves, their static files, and the sign-in where the server needs a key."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from gptasr_subs.server.access import COOKIE
from gptasr_subs.server.answers import Refusal
from gptasr_subs.server.services import services_of

STATIC = Path(__file__).parent / "static"

# Nothing but our own files may run, be shown or be asked; blobs are pictures of video frames.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_MONTH = 30 * 24 * 3600  # seconds that a sign-in lasts
_MAX_FORM = 4096  # bytes of a form with a key

mimetypes.add_type("text/javascript", ".js")  # the registry of Windows may say otherwise


class PageFiles(StaticFiles):
    """Static files that browsers ask for again after an update."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """As Starlette says, with our headers."""
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response


async def films(request: Request) -> Response:
    """The page of all films."""
    return FileResponse(STATIC / "films.html", headers=_HEADERS)


async def film(request: Request) -> Response:
    """The editor of one film. Browsers ask for its text while they still read the scripts."""
    document = f"<../jobs/{request.path_params['number']}/document>"
    early = {"link": f"{document}; rel=preload; as=fetch; crossorigin=anonymous"}
    return FileResponse(STATIC / "film.html", headers=_HEADERS | early)


async def sign_in(request: Request) -> Response:
    """The form for the key, and what it sends: a right key becomes a cookie."""
    if request.method == "GET":
        return _sign_in_form()
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > _MAX_FORM:
        raise Refusal(413, "A key is shorter than that.")
    fields = parse_qs((await request.body()).decode("utf-8", errors="replace"))
    key = fields.get("key", [""])[0]
    if not services_of(request).settings.has_key(key):
        return _sign_in_form(is_wrong=True)
    film = request.query_params.get("film", "")
    response = RedirectResponse(f"films/{film}" if film.isdecimal() else "./", 303)
    response.set_cookie(
        COOKIE,
        key,
        max_age=_MONTH,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


def _sign_in_form(*, is_wrong: bool = False) -> Response:
    page = (STATIC / "sign-in.html").read_text(encoding="utf-8")
    if is_wrong:
        alert = '<p class="wrong" role="alert">This is not the key. Try again.</p>'
        page = page.replace("<!--wrong-->", alert)
    return HTMLResponse(page, 401 if is_wrong else 200, headers=_HEADERS)


ROUTES = [
    Route("/", films),
    Route("/films/{number:int}", film),
    Route("/sign-in", sign_in, methods=["GET", "POST"]),
    Mount("/static", PageFiles(directory=STATIC)),
]
