"""The sockets that the server listens on: its own, or one that was handed to it."""

from __future__ import annotations

import socket

from gptasr_subs.errors import GptasrError

_BACKLOG = 1024


def open_socket(host: str, port: int, option: str = "--port") -> socket.socket:
    """A socket that listens. ``option`` chooses the port.

    Raises GptasrError where the address cannot be had.
    """
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(address[0], address[1])
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address[4])
        listener.listen(_BACKLOG)
    except OSError as error:
        raise GptasrError(
            f"{host}:{port} cannot be listened on ({error.strerror or error}); "
            f"choose another --host or {option}."
        ) from error
    return listener


def take_socket(fd: int) -> socket.socket:
    """The socket of this number, which another program has opened.

    What connects while one server hands it to the next waits in it, and nobody is turned away.
    Raises GptasrError where it does not listen.
    """
    try:
        listener = socket.socket(fileno=fd)
        if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise OSError(None, "it is in use for something else")
    except OSError as error:
        reason = error.strerror
        raise GptasrError(f"--fd {fd} is no socket that listens ({reason}).") from error
    return listener


def host_of(listener: socket.socket) -> str:
    """The address that it listens on; a socket in the file system is for this computer."""
    name = listener.getsockname()
    return str(name[0]) if isinstance(name, tuple) else "localhost"


def url_of(listener: socket.socket, scheme: str) -> str:
    """Where clients of this computer connect; the path of a socket in the file system."""
    name = listener.getsockname()
    if not isinstance(name, tuple):
        return str(name)
    host = f"[{name[0]}]" if listener.family == socket.AF_INET6 else name[0]
    return f"{scheme}://{host}:{name[1]}"
