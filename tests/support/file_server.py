"""A web server on loopback whose manners a test chooses."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Home:
    """What the server holds and how it behaves; ``asked`` notes path and Range of each request."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True  # whether it goes on where a client stopped
    stop_after: int | None = None  # bytes after which it hangs up
    content_type: str = "application/octet-stream"
    content_types: dict[str, str] = field(default_factory=dict)  # of files that differ
    says_length: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""


@contextmanager
def file_server(home: Home) -> Iterator[Home]:
    """Serve ``home`` until the block ends; ``home.address`` is where."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            home.asked.append((self.path, self.headers.get("Range")))
            name = self.path.lstrip("/")
            if name not in home.files:
                self.send_error(404)
                return
            self._send(home.files[name], home.content_types.get(name, home.content_type))

        def _send(self, data: bytes, kind: str) -> None:
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            begin = int(wanted[1]) if wanted and home.ranges else 0
            if wanted and home.ranges and begin >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if wanted and home.ranges else 200)
            self.send_header("Content-Type", kind)
            if home.says_length:
                self.send_header("Content-Length", str(len(data) - begin))
            self.end_headers()
            self.wfile.write(data[begin : home.stop_after])

        def log_message(self, format: str, *args: object) -> None:
            pass

    with serving(Handler) as home.address:
        yield home


@contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer on a port of loopback until the block ends; yield the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
