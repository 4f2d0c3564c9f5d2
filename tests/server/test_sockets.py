"""Sockets that are handed over: to the server at its start, and from one server to the next."""

from __future__ import annotations

import http.client
import os
import socket
import threading
from pathlib import Path

import pytest

from gptasr_subs.errors import GptasrError
from gptasr_subs.server.sockets import open_socket, url_of
from tests.support.bazarr import LONG_SPOKEN, LONG_TALK, ask_as_bazarr, samples, spoken
from tests.support.ended import Program, one_line
from tests.support.processes import posix
from tests.support.served import served

pytestmark = posix


def test_what_is_no_socket_that_listens(program: Program) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with socket.socket() as silent:
        for fd in (reading, silent.detach(), 9999):
            refused = program("serve", "--fd", str(fd))
            assert refused.code == 1
            assert f"--fd {fd} is no socket that listens" in one_line(refused.err)
    os.close(reading)


def test_addresses_are_said_as_clients_write_them() -> None:
    with open_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert url_of(listener, "http") == f"http://127.0.0.1:{port}"
        with pytest.raises(GptasrError, match=f"127.0.0.1:{port} .* another --host or --wyoming"):
            open_socket("127.0.0.1", port, "--wyoming")


def test_nobody_is_turned_away_while_one_server_follows_another(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    listener = socket.create_server(("127.0.0.1", 0))
    answers: list[str | None] = []

    def ask(url: str, audio: bytes) -> None:
        answers.append(ask_as_bazarr(url, audio))

    with served(folder, listener=listener.dup()) as first:
        first.close_gate()
        thread = threading.Thread(target=ask, args=(first.url, samples(LONG_TALK)))
        thread.start()
        first.pass_window()
        first.begin_stop()
        ask(first.url, bytes(12 << 20))  # more than sockets hold: it must be read
        first.open_gate()
        first.process.wait(60)
        thread.join()
        assert answers == [None, None]
        done = len(first.windows)
    waiting = http.client.HTTPConnection(*listener.getsockname())
    waiting.connect()  # nobody is there to take it
    with served(folder, listener=listener) as second:
        waiting.request("GET", "/status")
        assert waiting.getresponse().status == 200
        ask(second.url, samples(LONG_TALK))
        assert answers[2] and spoken(answers[2]) == LONG_SPOKEN
        assert len(second.windows) <= len(LONG_TALK) + 1 and 1 <= done < len(LONG_TALK)
    waiting.close()
