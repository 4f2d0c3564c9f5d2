"""What Bazarr sends and makes of an answer, and a talk of many windows that it sends."""

from __future__ import annotations

import numpy as np
import pysrt
import pytest
import requests

from tests.support.fake_recognizer import say

ASR = "/asr?output=srt&encode=false"

# Windows that all differ, or the journal would know them
LONG_TALK = [(4.013 * n + 1, ["one", "two", "three", "four"][n % 4]) for n in range(12)]
LONG_SPOKEN = " ".join(word for _, word in LONG_TALK)


def ask_as_bazarr(url: str, audio: bytes, query: str = ASR, *, patience: float = 60) -> str | None:
    """The subtitles that its provider saves, None where it simply asks again later.

    ``patience`` are the seconds that it waits for each sign of life. What this raises has Bazarr
    leave the server alone, a connection that is closed while it sends for a whole day.
    """
    text = _post(url + query, audio, patience).text
    try:
        pysrt.from_string(text, error_handling=pysrt.SubRipFile.ERROR_RAISE)
    except pysrt.Error:
        return None
    return text


def detect_as_bazarr(url: str, audio: bytes, *, patience: float = 60) -> str | None:
    """The language that its provider goes by, None where it asks again later. Raises as above."""
    answer = _post(f"{url}/detect-language?encode=false", audio, patience)
    try:
        facts = answer.json()
    except requests.exceptions.JSONDecodeError:
        return None
    return f"{facts['detected_language']} {facts['language_code']}" if facts else None


def _post(address: str, audio: bytes, patience: float) -> requests.Response:
    """The whole form in one piece, the part without a type; the status means nothing to it."""
    with requests.Session() as session:
        session.headers["User-Agent"] = "Subliminal/2.1"
        return session.post(address, files={"audio_file": audio}, timeout=(5, patience))


def samples(talk: list[tuple[float, str]], seconds: float = 50.0) -> bytes:
    """The talk as 16 bits, mono, 16 kHz, without a container."""
    return (say(talk, seconds) * 32767).astype(np.dtype("<i2")).tobytes()


def long_talk() -> dict[str, bytes]:
    return {"audio_file": samples(LONG_TALK)}


def spoken(text: str) -> str:
    return " ".join(item.text.replace("\n", " ") for item in pysrt.from_string(text))


def no_subtitle(text: str) -> None:
    """Bazarr asks pysrt whether a text is a subtitle; one without a cue would do."""
    with pytest.raises(pysrt.Error):
        pysrt.from_string(text, error_handling=pysrt.SubRipFile.ERROR_RAISE)
