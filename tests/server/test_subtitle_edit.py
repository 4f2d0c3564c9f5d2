"""Subtitle Edit reads a stream in its own way: line by line, and only what is nested."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import pysrt

from tests.support.served import Served

FORM = {"model": "whisper-1", "stream": "true"}


def nested_segments(lines: Iterable[str]) -> Iterator[tuple[float, float, str]]:
    """Start, end and text of each subtitle. Lines that begin with anything but data are skipped."""
    for line in lines:
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        content = json.loads(data)
        if content.get("type") == "transcript.text.segment" and "segment" in content:
            segment = content["segment"]
            yield float(segment["start"]), float(segment["end"]), segment["text"]


def test_its_subtitles_are_those_of_the_srt(server: Served, film: bytes) -> None:
    address = f"{server.url}/v1/audio/transcriptions"
    with server.client.stream("POST", address, data=FORM, files={"file": film}) as answer:
        found = list(nested_segments(answer.iter_lines()))
    form = {"model": "whisper-1", "response_format": "srt"}
    text = server.post("/v1/audio/transcriptions", data=form, files={"file": film}).text
    items = pysrt.from_string(text)
    assert [part[2] for part in found] == [item.text.replace("\n", " ") for item in items]
    assert [part[:2] for part in found] == [
        (item.start.ordinal / 1000, item.end.ordinal / 1000) for item in items
    ]
    assert len(found) == 2
