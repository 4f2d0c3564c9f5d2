"""Who may use the server: by a key, by an address, or from this computer alone."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gptasr_subs.server.answers import Refusal, refusal_response
from gptasr_subs.server.settings import Settings, is_loopback

COOKIE = "gptasr_subs_key"
# Nothing in their answers is secret; the page needs its looks before one signs in.
OPEN_PATHS = frozenset({"/status", "/healthz", "/sign-in"})

_PATH_PREFIX = "/k/"  # before the key in a path, for clients that cannot send headers
_STATIC = "/static/"
_READING = ("GET", "HEAD", "OPTIONS")
_PAGE = re.compile(r"/(?:films/(\d+))?")


class Access:
    """ASGI middleware: refuses those without access, and hides the key in a path."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """``app`` answers those who have access."""
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        key = ""
        path = scope["path"]
        if path.startswith(_PATH_PREFIX):
            key, slash, rest = path.removeprefix(_PATH_PREFIX).partition("/")
            path = slash + rest or "/"
        refusal = self._refusal(scope, key, path)
        if refusal:
            response = _sign_in(scope, path, refusal) or refusal_response(path, refusal)
            await response(scope, receive, send)
        else:
            raw_path = path.encode("utf-8", errors="surrogateescape")
            await self._app({**scope, "path": path, "raw_path": raw_path}, receive, send)

    def _refusal(self, scope: Scope, path_key: str, path: str) -> Refusal | None:
        settings = self._settings
        headers = Headers(scope=scope)
        if headers.get("sec-fetch-site") == "cross-site" and scope["method"] not in _READING:
            return Refusal(403, "A page of another site may not change anything here.")
        if path in OPEN_PATHS or path.startswith(_STATIC) or settings.no_key:
            return None
        if is_allowed((scope.get("client") or ("",))[0], settings):
            return None
        if settings.keys:
            if any(map(settings.has_key, (path_key, *_given_keys(headers)))):
                return None
            return Refusal(
                401,
                "This server needs its key, as a bearer token or in the path: /k/KEY/...",
                code="invalid_api_key",
            )
        if not settings.is_local:
            return Refusal(403, "Your address is not allowed here; start the server with --allow.")
        # DNS rebinding: a web page may give its own name the address of this computer, and then
        # read our answers as those of its own server. Such requests carry the name.
        name = ""
        with suppress(ValueError):
            name = urlsplit(f"//{headers.get('host', 'localhost')}").hostname or ""
        if not is_loopback(name):
            return Refusal(
                403, "This server answers to localhost only; start it with --key for other names."
            )
        return None


def _sign_in(scope: Scope, path: str, refusal: Refusal) -> Response | None:
    """Where a browser that has no key is sent when it asks for a page."""
    page = _PAGE.fullmatch(path)
    if refusal.status != 401 or scope["method"] != "GET" or not page:
        return None
    if "text/html" not in Headers(scope=scope).get("accept", ""):
        return None
    if page[1]:
        return RedirectResponse(f"../sign-in?film={page[1]}", 303)
    return RedirectResponse("sign-in", 303)


def is_allowed(client: str, settings: Settings) -> bool:
    """Whether the address of a client needs no key."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:  # a socket in the file system has none
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in settings.allow)


def _given_keys(headers: Headers) -> Iterator[str]:
    """The bearer token and the cookie, where there are any."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield token.strip()
    with suppress(CookieError):
        cookies = SimpleCookie(headers.get("cookie", ""))
        if COOKIE in cookies:
            yield cookies[COOKIE].value
