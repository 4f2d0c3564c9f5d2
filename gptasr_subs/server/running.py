"""The server from its start to its graceful stop."""

from __future__ import annotations

import logging
import re
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import uvicorn
from starlette.applications import Starlette

from gptasr_subs.errors import GptasrError
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.server.app import create_app
from gptasr_subs.server.patience import server_config
from gptasr_subs.server.settings import Settings

_log = logging.getLogger(__name__)
_KEY = re.compile(r"(?<=/k/)[^/\s]+")


class Server(uvicorn.Server):
    """Lets the windows at work end before it closes connections."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn once it was told to stop."""
        _log.warning("Stopping after the windows at work; what is recognised is kept.")
        for server in self.servers:
            server.close()
        app: Starlette = self.config.app  # type: ignore[assignment]
        await app.state.services.recognition.stop()
        await super().shutdown(sockets)


def serve(
    settings: Settings,
    fd: int | None = None,
    *,
    load: Callable[[], Recognizer] | None = None,
    quiet: bool = False,
) -> None:
    """Serve until a signal says stop.

    ``fd`` is a socket that listens already; ``load`` as for ``create_app``. Raises GptasrError
    where the address cannot be had, or a socket lets more in than the settings say.
    """
    log_to_stderr(logging.WARNING if quiet else logging.INFO)
    with _listener(settings, fd) as listener:
        settings = replace(settings, host=_host_of(listener))
        _log.warning("Listening on %s.", _url_of(listener))
        Server(server_config(create_app(settings, load))).run(sockets=[listener])


def log_to_stderr(level: int) -> None:
    """A line for each request, and what uvicorn has to say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    handler.addFilter(_hide_keys)
    for name, least in (("uvicorn.access", level), ("uvicorn.error", logging.WARNING)):
        log = logging.getLogger(name)
        log.handlers = [handler]
        log.setLevel(least)
        log.propagate = False
    # Each broken form is answered by a sentence; the parser's own lines tell nobody anything.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def _hide_keys(record: logging.LogRecord) -> bool:
    """Keys in paths are nobody's business."""
    if isinstance(record.args, tuple):
        record.args = tuple(_hidden(argument) for argument in record.args)
    return True


def _hidden(argument: Any) -> Any:
    return _KEY.sub("***", argument) if isinstance(argument, str) else argument


def _host_of(listener: socket.socket) -> str:
    """The address that others connect to; a socket in the file system is for this computer."""
    address = listener.getsockname()
    return "localhost" if isinstance(address, str) else str(address[0])


def _url_of(listener: socket.socket) -> str:
    address = listener.getsockname()
    if isinstance(address, str):
        return address
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"http://{host}:{address[1]}"


def _listener(settings: Settings, fd: int | None) -> socket.socket:
    if fd is not None:
        try:
            return socket.socket(fileno=fd)
        except OSError as error:
            reason = error.strerror
            raise GptasrError(f"--fd {fd} is no socket that listens ({reason}).") from error
    try:
        address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(address[0], address[1])
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address[4])
        listener.listen(1024)
    except OSError as error:
        raise GptasrError(
            f"{settings.host}:{settings.port} cannot be listened on "
            f"({error.strerror or error}); choose another --host or --port."
        ) from error
    return listener
