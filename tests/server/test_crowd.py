"""Two hundred clients at once: each gets its own film's subtitles, and no film is heard twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from gptasr_subs.recognition.windows import window_limits
from gptasr_subs.speech.segmentation import segment_blocks
from tests.support.bazarr import ASR, samples, spoken
from tests.support.fake_recognizer import PITCHES, FakeRecognizer, say
from tests.support.media_maker import RATE
from tests.support.served import served

CLIENTS = 200
FILMS = 100  # so each of them is sent twice
SECONDS = 60.0
PATIENCE = 1200.0  # seconds, for a machine that does much else
WORDS = [*PITCHES]


def talk_of(film: int) -> list[tuple[float, str]]:
    """Ten words. The film's number is in them, and no window sounds as one of another film."""
    digits = [film // 6**place % 6 for place in range(10)]
    return [(5.6 * n + 1 + 0.0037 * film, WORDS[(digit + n) % 6]) for n, digit in enumerate(digits)]


def windows_of(talk: list[tuple[float, str]]) -> int:
    return len([*segment_blocks([say(talk, SECONDS)], RATE, window_limits(FakeRecognizer()))])


@pytest.mark.slow
def test_two_hundred_uploads_of_a_minute_at_once(tmp_path: Path) -> None:
    talks = [talk_of(film) for film in range(FILMS)]
    together = threading.Barrier(CLIENTS)

    def ask(talk: list[tuple[float, str]]) -> str:
        audio = {"audio_file": samples(talk, SECONDS)}
        together.wait(PATIENCE)
        return requests.post(server.url + ASR, files=audio, timeout=PATIENCE).text

    with ThreadPoolExecutor(CLIENTS) as clients, served(tmp_path / "server") as server:
        server.close_gate()
        answers = [clients.submit(ask, talk) for talk in 2 * talks]
        while server.log.count("POST /asr") < CLIENTS:  # all wait for the first window
            assert not [answer.result() for answer in answers if answer.done()]
        assert server.get("/healthz").json()["waiting"] == FILMS
        server.open_gate()
        subtitles = [answer.result() for answer in answers]
        server.wait_until_free()
        heard = len(server.windows)
    said = [" ".join(word for _, word in talk) for talk in talks]
    assert [spoken(subtitle) for subtitle in subtitles] == 2 * said
    assert heard == sum(map(windows_of, talks))
