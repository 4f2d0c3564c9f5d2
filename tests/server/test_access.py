"""Who may come in, and what the server refuses to start with."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from gptasr_subs.errors import UsageError
from gptasr_subs.server.access import Access
from gptasr_subs.server.settings import Settings, parse_map, parse_network
from tests.support.ended import Program, one_line

KEY = "a-key-of-more-than-sixteen"


async def show_path(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(scope["path"])(scope, receive, send)


def ask(
    settings: Settings, path: str = "/asr", client: str = "192.168.1.7", **options: object
) -> httpx.Response:
    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(Access(show_path, settings), client=(client, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as session:
            return await session.get(path, **options)  # type: ignore[arg-type]

    return asyncio.run(get())


def test_a_key_opens_in_three_ways() -> None:
    settings = Settings("0.0.0.0", keys=("another-key-of-this-server", KEY))
    assert ask(settings, headers={"authorization": f"Bearer {KEY}"}).text == "/asr"
    assert ask(settings, headers={"cookie": f"gptasr_subs_key={KEY}"}).text == "/asr"
    assert ask(settings, f"/k/{KEY}/asr").text == "/asr"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/asr", {}),
        ("/asr", {"authorization": f"Bearer {KEY}x"}),
        ("/asr", {"authorization": KEY}),
        ("/asr", {"authorization": "Bearer "}),
        ("/asr", {"cookie": "gptasr_subs_key="}),
        ("/k//asr", {}),
        ("/k/", {}),
        (f"/k/{KEY[:-1]}/asr", {}),
        ("/k/é/asr", {}),
        ("/v1/models", {"authorization": "Bearer none"}),
    ],
)
def test_nothing_else_does(path: str, headers: dict[str, str]) -> None:
    answer = ask(Settings("0.0.0.0", keys=(KEY,)), path, headers=headers)
    assert answer.status_code == 401 and "needs its key" in answer.text
    assert ask(Settings("127.0.0.1", keys=(KEY,)), path, headers=headers).status_code == 401


def test_status_and_health_are_open() -> None:
    settings = Settings("0.0.0.0", keys=(KEY,))
    assert ask(settings, "/status").status_code == ask(settings, "/healthz").status_code == 200


@pytest.mark.parametrize(
    ("client", "status"), [("192.168.1.7", 200), ("::ffff:192.168.1.7", 200), ("10.0.0.1", 403)]
)
def test_addresses_are_allowed_without_a_key(client: str, status: int) -> None:
    settings = Settings("0.0.0.0", allow=(ip_network("192.168.1.0/24"),))
    forged = {"x-forwarded-for": "192.168.1.7"}
    assert ask(settings, client=client, headers=forged).status_code == status


@pytest.mark.parametrize(
    ("name", "status"),
    [("localhost:9000", 200), ("[::1]:1", 200), ("evil.example", 403), ("a]", 403)],
)
def test_a_page_of_the_web_is_kept_out_of_this_computer(name: str, status: int) -> None:
    assert ask(Settings(), client="127.0.0.1", headers={"host": name}).status_code == status


def test_other_computers_are_let_in_only_if_that_is_said() -> None:
    with pytest.raises(UsageError, match="lets other computers in: give --key"):
        Settings("0.0.0.0")
    with pytest.raises(UsageError, match="lets other computers in"):
        Settings("192.168.1.5")
    assert Settings("0.0.0.0", no_key=True) and Settings("::1") and Settings("localhost")
    with pytest.raises(UsageError, match="at least 16 plain characters"):
        Settings(keys=("short",))


def test_what_options_cannot_be(tmp_path: Path) -> None:
    assert parse_network("10.1.2.3") == ip_network("10.1.2.3/32")
    assert parse_map(f"/films/={tmp_path}") == ("/films", tmp_path.resolve())
    for wrong in ("films", "films=/x", "/films=", f"/films={tmp_path / 'nix'}"):
        with pytest.raises(UsageError, match="--map"):
            parse_map(wrong)
    with pytest.raises(UsageError, match="is no address"):
        parse_network("home")


def test_the_command_says_what_is_missing(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = program("serve", "--host", "0.0.0.0")
    assert refused.code == 2 and "--key" in one_line(refused.err)
    monkeypatch.setattr("gptasr_subs.cli.serve._PACKAGES", ("no_such_package",))
    missing = program("serve")
    assert missing.code == 1
    assert one_line(missing.err).endswith("run: pip install 'gptasr-subs[server]'.")


def test_the_server_itself_stays_small() -> None:
    """What is large is in the recognition process alone, which ends."""
    code = "import sys, gptasr_subs.server.running as _; print({'torch', 'numpy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_socket_that_is_handed_over_lets_in_no_more_than_was_said(program: Program) -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        refused = program("serve", "--fd", str(os.dup(listener.fileno())))
    assert refused.code == 2 and "lets other computers in" in one_line(refused.err)
    nothing = program("serve", "--fd", "999")
    assert nothing.code == 1 and "--fd 999 is no socket" in one_line(nothing.err)


def test_an_address_that_is_taken(program: Program) -> None:
    refused = program("serve", "--host", "203.0.113.9", "--no-key")
    assert refused.code == 1 and "choose another --host or --port" in refused.err
