"""Requests that nobody would send: each gets a sentence or a closed connection, no more."""

from __future__ import annotations

import random
import socket

import pytest

from tests.support.served import Served

SEED = 2026


def requests(film: bytes) -> list[bytes]:
    """Right ones, to be spoiled."""
    form = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        + film[:3000]
        + b'\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\n'
    )
    asr = form.replace(b'"file"', b'"audio_file"')
    kind = b"Content-Type: multipart/form-data; boundary=b\r\n"
    job = b'{"path": "/films/../etc/passwd", "formats": ["srt"], "priority": 1}'
    return [
        whole(b"POST /asr?task=translate&output=srt&video_file=/films/../x", kind, asr),
        whole(b"POST /asr?task=transcribe&language=de", kind, asr),
        whole(b"POST /detect-language?video_file=/films/nix.mkv&encode=x", kind, asr[:90]),
        whole(b"POST /v1/audio/transcriptions", kind, form.replace(b"whisper-1", b"nix")),
        whole(b"POST /jobs", kind, form.replace(b"model", b"formats")),
        whole(b"POST /jobs", b"Content-Type: application/json\r\n", job),
        whole(b"GET /jobs?state=waiting", b"", b""),
        whole(b"GET /jobs/1/subtitles.srt", b"", b""),
        whole(b"DELETE /jobs/999", b"", b""),
        whole(b"GET /v1/models/whisper-1", b"Authorization: Bearer x\r\n", b""),
        whole(b"GET /k/key/status", b"Cookie: gptasr_subs_key=x\r\n", b""),
    ]


def whole(start: bytes, headers: bytes, body: bytes) -> bytes:
    length = f"Content-Length: {len(body)}\r\n".encode() if body else b""
    return start + b" HTTP/1.1\r\nHost: localhost\r\n" + headers + length + b"\r\n" + body


INSERTS = [
    b"\0",
    b"%00",
    b"/..",
    b"%2e%2e/",
    b"\xff\xfe",
    b"\r\n",
    b"\r\n\r\n",
    b'"',
    b"--b--\r\n",
    b"A" * 5000,
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"X: " + b"y" * 100_000 + b"\r\n",
]


def spoiled(request: bytes, chance: random.Random) -> bytes:
    """The request with up to four changes, most of them in its head."""
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(request) if chance.random() < 0.4 else 120) % len(request)
        kind = chance.randrange(6)
        if kind == 0:
            request = request[:place] + chance.choice(INSERTS) + request[place:]
        elif kind == 1:
            request = request[:place] + bytes([chance.randrange(256)]) + request[place + 1 :]
        elif kind == 2:
            request = request[:place] + request[place + chance.randint(1, 30) :]
        elif kind == 3:
            request = request[: place + 40]
        elif kind == 4:
            method = chance.choice([b"PUT", b"HEAD", b"OPTIONS", b"TRACE", b"BREW", b""])
            request = method + request[request.find(b" ") :]
        else:
            line = request.find(b"\r\n") + 2
            request = request[:line] + chance.choice(INSERTS) + request[line:]
    return request


def exchange(server: Served, request: bytes) -> bytes:
    """Send it and say that no more will come."""
    with socket.create_connection(server.listener.getsockname(), timeout=60) as connection:
        answer = b""
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(1 << 16):
                answer += part
        except OSError:  # closed before all was sent
            pass
        return answer


def check(server: Served, film: bytes, count: int, seed: int) -> None:
    chance = random.Random(seed)
    right = requests(film)
    for number in range(count):
        request = spoiled(chance.choice(right), chance)
        answer = exchange(server, request).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        if answer:
            status = int(answer.split(b" ", 2)[1])
            assert 200 <= status < 500, (seed, number, request[:300], answer[:300])
        assert b"Traceback" not in answer and b"root:" not in answer
    server.wait_until_free()
    assert "Traceback" not in (server.folder / "log").read_text()


def test_spoiled_requests(server: Served, film: bytes) -> None:
    check(server, film, 300, SEED)


@pytest.mark.slow
def test_many_spoiled_requests(server: Served, film: bytes) -> None:
    check(server, film, 10_000, SEED + 1)
