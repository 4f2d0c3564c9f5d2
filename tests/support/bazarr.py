"""What Bazarr makes of an answer, and a talk of many windows that it sends."""

from __future__ import annotations

import numpy as np
import pysrt
import pytest

from tests.support.fake_recognizer import say

ASR = "/asr?output=srt&encode=false"

# Windows that all differ, or the journal would know them
LONG_TALK = [(4.013 * n + 1, ["one", "two", "three", "four"][n % 4]) for n in range(12)]
LONG_SPOKEN = " ".join(word for _, word in LONG_TALK)


def samples(talk: list[tuple[float, str]]) -> bytes:
    """The talk in 50 seconds of 16 bits, mono, 16 kHz, without a container."""
    return (say(talk, 50.0) * 32767).astype(np.dtype("<i2")).tobytes()


def long_talk() -> dict[str, bytes]:
    return {"audio_file": samples(LONG_TALK)}


def spoken(text: str) -> str:
    return " ".join(item.text.replace("\n", " ") for item in pysrt.from_string(text))


def no_subtitle(text: str) -> None:
    """Bazarr asks pysrt whether a text is a subtitle; one without a cue would do."""
    with pytest.raises(pysrt.Error):
        pysrt.from_string(text, error_handling=pysrt.SubRipFile.ERROR_RAISE)
