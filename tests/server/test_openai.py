"""OpenAI's own client gets what it asks for, in every format, and errors as its exceptions."""

from __future__ import annotations

import io
import json
from pathlib import Path

import openai
import pytest

from gptasr_subs.cues.shaping import shape_cues
from gptasr_subs.formats.document import Document
from gptasr_subs.server.answers import Refusal
from gptasr_subs.server.keywords import glossary_of_keywords
from gptasr_subs.server.openai import count_settled_cues
from gptasr_subs.types import Word
from tests.support.films import SPOKEN, TALK_SECONDS
from tests.support.processes import REPOSITORY
from tests.support.served import Served, served


@pytest.fixture
def client(server: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60)


def named(film: bytes) -> io.BytesIO:
    file = io.BytesIO(film)
    file.name = "talk.mp4"
    return file


def test_json_has_text_and_length(client: openai.OpenAI, film: bytes) -> None:
    found = client.audio.transcriptions.create(file=named(film), model="whisper-1")
    assert found.text == SPOKEN
    assert found.usage and found.usage.type == "duration"
    assert found.usage.seconds == pytest.approx(TALK_SECONDS, abs=0.1)


def test_verbose_json_has_segments_and_words(client: openai.OpenAI, film: bytes) -> None:
    found = client.audio.transcriptions.create(
        file=named(film),
        model="gpt-4o-transcribe",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        prompt="names",
        temperature=0,
    )
    assert found.language == "english" and found.duration == pytest.approx(TALK_SECONDS, abs=0.1)
    assert [part.text for part in found.segments or []] == ["one two three", "four Five."]
    words = found.words or []
    assert [word.word for word in words] == SPOKEN.split()
    assert words[0].start == pytest.approx(1.0, abs=0.1)
    assert words[0].confidence == 0.9  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("format", "beginning"), [("text", "one two"), ("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n\n")]
)
def test_raw_formats(client: openai.OpenAI, film: bytes, format: str, beginning: str) -> None:
    found = client.audio.transcriptions.create(
        file=named(film),
        model="whisper-1",
        response_format=format,  # type: ignore[call-overload]
    )
    assert str(found).startswith(beginning) and "Five." in str(found)


def test_speakers_and_log_probs(server: Served, client: openai.OpenAI, film: bytes) -> None:
    form = {"model": "whisper-1", "response_format": "diarized_json", "include[]": "logprobs"}
    found = server.post("/v1/audio/transcriptions", data=form, files={"file": film}).json()
    assert found["segments"][0]["speaker"] == "A" and found["segments"][0]["id"] == "seg_0"
    assert [part["token"] for part in found["logprobs"]] == SPOKEN.split()


def test_keywords_and_names_in_a_prompt_are_expected(
    server: Served, client: openai.OpenAI, film: bytes
) -> None:
    client.audio.transcriptions.create(
        file=named(film),
        model="whisper-1",
        prompt="Zorro, Dr. No, this is a sentence that names nobody at all.",
        extra_body={"keywords": ["Moneypenny"]},
    )
    assert (server.folder / "terms").read_text() == "Moneypenny Zorro Dr. No"


def test_keywords_may_be_separated_in_several_ways() -> None:
    found = glossary_of_keywords(["Ann, Bo;Cy\nDi  Da", "", "Ann"])
    assert [term.text for term in found.terms] == ["Ann", "Bo", "Cy", "Di Da"]
    assert not glossary_of_keywords(["", "one two three four five"])
    with pytest.raises(Refusal, match="5000 keywords"):
        glossary_of_keywords([",".join(map(str, range(5001)))])


def test_a_stream_of_events(client: openai.OpenAI, film: bytes) -> None:
    stream = client.audio.transcriptions.create(file=named(film), model="whisper-1", stream=True)
    events = list(stream)
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    segments = [event for event in events if event.type == "transcript.text.segment"]
    assert "".join(deltas) == SPOKEN and len(segments) == 2
    assert events[-1].type == "transcript.text.done" and events[-1].text == SPOKEN


def test_segments_are_nested_for_who_reads_them_so(server: Served, film: bytes) -> None:
    form = {"model": "whisper-1", "stream": "true"}
    text = server.post("/v1/audio/transcriptions", data=form, files={"file": film}).text
    blocks = [block for block in text.split("\n\n") if "transcript.text.segment\n" in block]
    for block in blocks:
        data = json.loads(block.split("data: ")[1])
        assert data["segment"]["text"] == data["text"]
    assert len(blocks) == 2 and text.endswith("data: [DONE]\n\n")


def test_errors_are_their_exceptions(client: openai.OpenAI, film: bytes) -> None:
    transcriptions = client.audio.transcriptions
    with pytest.raises(openai.NotFoundError) as unknown:
        transcriptions.create(file=named(film), model="whisper-9")
    assert unknown.value.code == "model_not_found" and unknown.value.param == "model"
    with pytest.raises(openai.BadRequestError, match="knows English, not 'de'"):
        transcriptions.create(file=named(film), model="whisper-1", language="de")
    with pytest.raises(openai.BadRequestError, match="no response_format 'pdf'"):
        transcriptions.create(
            file=named(film),
            model="whisper-1",
            response_format="pdf",  # type: ignore[call-overload]
        )
    with pytest.raises(openai.UnprocessableEntityError, match="The upload is no media"):
        transcriptions.create(file=named(b"no media" * 99), model="whisper-1")
    with pytest.raises(openai.APIError, match="no media"):
        list(transcriptions.create(file=named(b"no media" * 98), model="whisper-1", stream=True))


def test_retries_are_declined(server: Served, film: bytes) -> None:
    answer = server.post("/v1/audio/transcriptions", data={"model": "x"}, files={"file": film})
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}


def test_models(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names == ["default", "whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"]
    assert client.models.retrieve("whisper-1").id == "whisper-1"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nix")


def test_cues_before_a_long_pause_are_final() -> None:
    """Whatever is said next, the cues that a stream has told stay."""
    starts = [0.5, 0.9, 1.3, 3.5, 3.9, 6.0, 6.4, 6.8, 9.5, 9.9]
    words = [Word(f"word{number}", at, at + 0.35) for number, at in enumerate(starts)]
    whole = shape_cues(words)
    counts = set()
    for known in range(len(words)):
        cues = tuple(shape_cues(words[:known]))
        count = count_settled_cues(Document(cues, words=tuple(words[:known])))
        assert list(cues[:count]) == whole[:count]
        counts.add(count)
    assert len(counts) > 2


@pytest.mark.slow
def test_the_shipped_checkpoint_behind_the_client(tmp_path: Path) -> None:
    with served(tmp_path, fake=False) as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", timeout=600)
        with (REPOSITORY / "examples" / "sample.mp4").open("rb") as sample:
            found = client.audio.transcriptions.create(file=sample, model="whisper-1")
    said = (REPOSITORY / "examples" / "sample.txt").read_text(encoding="utf-8").lower().split()
    heard = found.text.lower().split()
    assert len(set(said) & set(heard)) > 0.6 * len(set(said))
