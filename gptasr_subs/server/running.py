"""The server from its start to its graceful stop."""

from __future__ import annotations

import logging
import re
import socket
import sys
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.server.app import create_app
from gptasr_subs.server.patience import server_config
from gptasr_subs.server.settings import Settings
from gptasr_subs.server.sockets import open_socket, url_of

_log = logging.getLogger(__name__)
_KEY = re.compile(r"(?<=/k/)[^/\s]+")


class Server(uvicorn.Server):
    """Lets the windows at work end before it closes connections.

    Until then it takes uploads, to refuse them: Bazarr leaves a server alone for a day that does
    not take its film within seconds.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn once it was told to stop."""
        _log.warning("Stopping after the windows at work; what is recognised is kept.")
        app: Starlette = self.config.app  # type: ignore[assignment]
        await app.state.services.recognition.stop()
        await super().shutdown(sockets)


def serve(
    settings: Settings,
    listener: socket.socket | None = None,
    *,
    load: Callable[[], Recognizer] | None = None,
    quiet: bool = False,
) -> None:
    """Serve until a signal says stop.

    ``listener`` is a socket that listens already; ``load`` as for ``create_app``. Raises
    GptasrError where an address cannot be had.
    """
    log_to_stderr(logging.WARNING if quiet else logging.INFO)
    listener = listener or open_socket(settings.host, settings.port)
    _log.info("Listening on %s.", url_of(listener, "http"))
    wyoming = None
    if settings.wyoming_port is not None:
        wyoming = open_socket(settings.host, settings.wyoming_port, "--wyoming")
        _log.info("Home Assistant is answered on %s.", url_of(wyoming, "tcp"))
    with listener:
        Server(server_config(create_app(settings, load, wyoming))).run(sockets=[listener])


def log_to_stderr(level: int) -> None:
    """Log where we listen, a line for each request, and what uvicorn has to say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    handler.addFilter(_hide_keys)
    levels = {__name__: level, "uvicorn.access": level, "uvicorn.error": logging.WARNING}
    for name, least in levels.items():
        log = logging.getLogger(name)
        log.handlers = [handler]
        log.setLevel(least)
        log.propagate = False
    # Each broken form is answered by a sentence; the parser's own lines add nothing.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def _hide_keys(record: logging.LogRecord) -> bool:
    """Replace keys in paths by stars: logs are read by others and kept for long."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            _KEY.sub("***", argument) if isinstance(argument, str) else argument
            for argument in record.args
        )
    return True
