"""Home Assistant's own client is understood, and others cannot do harm."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info

from gptasr_subs.errors import UsageError
from gptasr_subs.server.settings import Settings, parse_network
from tests.support.films import SPOKEN
from tests.support.served import Served, served

PIECE = 2048  # bytes that Home Assistant sends at once


def port_of(server: Served) -> int:
    assert server.get("/healthz").status_code == 200  # it is up, and has said where
    (port,) = re.findall(r"Home Assistant is answered on tcp://127\.0\.0\.1:(\d+)\.", server.log)
    return int(port)


def talk(server: Served, *events: Event) -> Event | None:
    """What is answered to these."""

    async def ask() -> Event | None:
        async with AsyncTcpClient("127.0.0.1", port_of(server)) as client:
            for event in events:
                await client.write_event(event)
            return await asyncio.wait_for(client.read_event(), 60)

    return asyncio.run(ask())


def spoken(
    pcm: bytes, language: str | None = "en", *, rate: int = 16000, channels: int = 1
) -> list[Event]:
    """As Home Assistant says it."""
    chunks = [
        AudioChunk(rate, 2, channels, pcm[start : start + PIECE]).event()
        for start in range(0, len(pcm), PIECE)
    ]
    return [
        Transcribe(language=language).event(),
        AudioStart(rate, 2, channels).event(),
        *chunks,
        AudioStop().event(),
    ]


def error_of(event: Event | None) -> str:
    assert event and Error.is_type(event.type)
    return Error.from_event(event).text


def test_it_says_what_it_is(server: Served) -> None:
    event = talk(server, Describe().event())
    assert event and Info.is_type(event.type)
    (program,) = Info.from_event(event).asr
    assert program.installed and program.models[0].installed
    assert program.models[0].languages == ["en"]


@pytest.mark.parametrize("language", ["en", "en-GB", None])
def test_a_sentence_becomes_text(server: Served, pcm: bytes, language: str | None) -> None:
    event = talk(server, *spoken(pcm, language))
    assert event and Transcript.is_type(event.type)
    assert Transcript.from_event(event).text == SPOKEN


def test_it_is_the_recognition_of_all_others(server: Served, pcm: bytes) -> None:
    talk(server, *spoken(pcm))
    done = len(server.windows)
    files = {"audio_file": pcm}
    assert SPOKEN.split()[0] in server.post("/asr?output=txt&encode=false", files=files).text
    assert len(server.windows) == done


def test_names_of_the_house_are_expected(server: Served, pcm: bytes) -> None:
    names = Transcribe(transcript_names=["Moneypenny"], transcript_terms=["Zorro"])
    talk(server, names.event(), *spoken(pcm)[1:])
    assert (server.folder / "terms").read_text() == "Moneypenny Zorro"
    odd = Event("transcribe", {"language": ["en"], "transcript_names": 7})
    assert "knows English" in error_of(talk(server, odd, AudioStop().event()))


def test_stereo_at_another_rate(server: Served, pcm: bytes) -> None:
    mono = np.frombuffer(pcm, dtype="<i2") // 3
    stereo = np.repeat(np.repeat(mono, 3), 2).astype("<i2").tobytes()
    event = talk(server, *spoken(stereo, rate=48000, channels=2))
    assert event and Transcript.from_event(event).text == SPOKEN


def test_nothing_said_is_no_text(server: Served) -> None:
    for events in (spoken(bytes(32000)), [AudioStop().event()]):
        event = talk(server, *events)
        assert event and Transcript.from_event(event).text == ""


def test_what_cannot_be_done_is_said_when_all_is_said(server: Served, pcm: bytes) -> None:
    assert error_of(talk(server, *spoken(pcm, "de"))) == "This server knows English, not 'de'."
    assert "4 MiB" in error_of(talk(server, *spoken(bytes(5 << 20))))
    odd = Event("audio-chunk", {"rate": 0, "width": 9, "channels": "x"}, b"odd")
    assert "whole samples" in error_of(talk(server, odd, AudioStop().event()))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"[1]\n",
        b"{}\n",
        b'{"type": "transcribe", "data": [3]}\n',
        b'{"type": "audio-chunk", "payload_length": "many"}\n',
        json.dumps({"type": "audio-chunk", "payload_length": 1 << 40}).encode() + b"\n",
        b"x" * 200_000,
    ],
)
def test_what_is_no_event_ends_the_talk(server: Served, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=60) as connection:
        try:
            connection.sendall(data)
            assert connection.recv(1) == b""
        except ConnectionError:  # closed before all was read
            pass


def test_a_client_that_leaves_takes_its_audio_along(server: Served, pcm: bytes) -> None:
    talk(server, *spoken(pcm)[:-1], Describe().event())
    assert talk(server, Describe().event())
    while server.uploads:
        pass


def test_a_server_that_is_stopped_answers_first(tmp_path: Path, pcm: bytes) -> None:
    with served(tmp_path, "--wyoming", "0") as server:
        server.close_gate()
        answers: list[Event | None] = []
        thread = threading.Thread(target=lambda: answers.append(talk(server, *spoken(pcm))))
        thread.start()
        while not server.windows:
            pass
        server.process.send_signal(signal.SIGTERM)
        while "Stopping" not in server.log:
            pass
        server.open_gate()
        thread.join()
        server.process.wait(60)
        (event,) = answers
        assert event and event.type in ("error", "transcript")  # the window may have been the last
    assert server.uploads == []


def test_it_needs_addresses_where_others_can_connect() -> None:
    network = parse_network("192.168.1.5")
    key = "a-key-of-more-than-sixteen"
    with pytest.raises(UsageError, match="cannot send a key to --wyoming"):
        Settings("0.0.0.0", wyoming_port=10300, keys=(key,))
    assert Settings("0.0.0.0", wyoming_port=10300, keys=(key,), allow=(network,))
    assert Settings(wyoming_port=10300, keys=(key,))
