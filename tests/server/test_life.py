"""The recognition process comes and goes; nothing is lost with it."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import httpx

from gptasr_subs.server.uploads import wav_header
from tests.support.bazarr import (
    ASR,
    LONG_SPOKEN,
    LONG_TALK,
    ask_as_bazarr,
    long_talk,
    no_subtitle,
    samples,
    spoken,
)
from tests.support.served import Served, served


def test_a_killed_process_is_started_again_and_goes_on(tmp_path: Path) -> None:
    with served(tmp_path / "server", "--idle", "0.1") as server:
        server.close_gate()
        answers: list[str | None] = []

        def ask() -> None:
            answers.append(ask_as_bazarr(server.url, samples(LONG_TALK)))

        thread = threading.Thread(target=ask)
        thread.start()
        server.pass_window()
        server.pass_window()
        os.kill(server.windows[-1], signal.SIGKILL)
        server.open_gate()
        thread.join()
        assert answers[0] and spoken(answers[0]) == LONG_SPOKEN
        first, last = server.windows[0], server.windows[-1]
        assert first != last and len(server.windows) <= len(LONG_TALK) + 1
        wait_until_idle(server)
        assert not is_running(last)
        assert spoken(server.post(ASR, files=long_talk()).text) == LONG_SPOKEN


def wait_until_idle(server: Served) -> None:
    while server.get("/healthz").json()["model"] != "unloaded":
        pass


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_told_to_stop_it_ends_the_window_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    with served(folder, keepalive=0.2) as server:
        server.close_gate()
        with server.client.stream("POST", server.url + ASR, files=long_talk()) as answer:
            parts = answer.iter_raw()
            assert next(parts) == b"\n"
            server.pass_window()
            server.begin_stop()
            server.open_gate()
            text = b"".join(parts).decode()
        no_subtitle(text)
        assert "is being stopped" in text or "was stopped" in text
        assert server.process.wait(60) != 0
    assert server.uploads == []
    with served(folder) as again:
        done = len(again.windows)
        assert spoken(again.post(ASR, files=long_talk()).text) == LONG_SPOKEN
        assert 1 <= done < len(LONG_TALK)
        assert len(again.windows) <= len(LONG_TALK) + 1  # the last one may have been cut off


def test_who_leaves_takes_only_openai_requests_along(server: Served) -> None:
    server.close_gate()
    before = len(server.windows)
    files = {"file": long_wav()}
    client = httpx.Client(timeout=60)
    form = {"stream": "true"}
    with client.stream(
        "POST", f"{server.url}/v1/audio/transcriptions", data=form, files=files
    ) as answer:
        parts = answer.iter_raw()
        next(parts)
        server.pass_window()
    client.close()
    server.wait_until_free()
    server.open_gate()
    assert len(server.windows) - before < len(LONG_TALK)


def long_wav() -> bytes:
    audio = samples([(at, "Six.") for at, _ in LONG_TALK])
    return wav_header(len(audio)) + audio
