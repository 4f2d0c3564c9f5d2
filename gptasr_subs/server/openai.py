"""``/v1/audio/transcriptions`` and ``/v1/models``: what clients of OpenAI's API speak."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gptasr_subs.cues.norms import NETFLIX
from gptasr_subs.formats import render
from gptasr_subs.formats.document import Document
from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.media.languages import language_name, same_language
from gptasr_subs.pipeline.options import Options
from gptasr_subs.server.answers import Refusal, event, openai_error
from gptasr_subs.server.keywords import glossary_of_keywords
from gptasr_subs.server.messages import Finished
from gptasr_subs.server.recognition import Recognition, RecognitionTask, Source, Work
from gptasr_subs.server.segments import log_probs_of, segments_of, text_of, words_of
from gptasr_subs.server.services import services_of
from gptasr_subs.server.settings import Settings
from gptasr_subs.server.uploads import Form, read_form
from gptasr_subs.server.waiting import AnswerStyle, WaitingResponse, answer_later, vtt_style

ALIASES = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")
FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")

# Seconds between two signs of life. Clients wait for minutes, and until the first one an error
# still has a status of its own.
BEAT = 10.0

_SPEAKER = "A"  # speakers are not distinguished
_TRUE = ("true", "1")


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """What a client asks for, besides the audio."""

    format: str
    words: bool
    stream: bool
    log_probs: bool
    language: str
    glossary: Glossary


async def list_models(request: Request) -> Response:
    """The model of this server under all of its names."""
    names = _model_names(services_of(request).settings)
    return JSONResponse({"object": "list", "data": [_model(name) for name in names]})


async def show_model(request: Request) -> Response:
    """The model under one of its names."""
    name = request.path_params["name"]
    _refuse_unknown_model(name, services_of(request).settings)
    return JSONResponse(_model(name))


async def transcribe(request: Request) -> Response:
    """The text of an uploaded file."""
    services = services_of(request)
    form = await read_form(request, services.uploads, "file")
    try:
        wanted = _parse_form(form, services.settings)
    except Refusal:
        form.delete()
        raise
    source = Source.of_upload(form.upload)
    task = RecognitionTask(
        source,
        Options(language=wanted.language),
        urgent=True,
        follow=wanted.stream,
        glossary=wanted.glossary,
    )
    if wanted.stream:
        async with AsyncExitStack() as stack:
            work = await stack.enter_async_context(services.recognition.join(task))
            events = _events(work, services.recognition, wanted)
            return WaitingResponse(events, stack.pop_all(), media_type="text/event-stream")
    if wanted.format == "vtt":
        style = vtt_style(partial(_render_text, wanted), "text/vtt", BEAT)
    elif wanted.format in ("text", "srt"):
        style = AnswerStyle(partial(_render_text, wanted), "text/plain", BEAT)
    else:
        style = AnswerStyle(partial(_render_json, wanted), "application/json", BEAT)
    return await answer_later(services.recognition, task, style)


ROUTES = [
    Route("/v1/models", list_models),
    Route("/v1/models/{name:path}", show_model),
    Route("/v1/audio/transcriptions", transcribe, methods=["POST"]),
]


def _model_names(settings: Settings) -> list[str]:
    return [settings.model, *(name for name in ALIASES if name != settings.model)]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "gptasr-subs"}


def _refuse_unknown_model(name: str, settings: Settings) -> None:
    names = _model_names(settings)
    if name not in names:
        raise Refusal(
            404,
            f"There is no model {name!r} here; choose one of {', '.join(names)}.",
            code="model_not_found",
            param="model",
        )


def _parse_form(form: Form, settings: Settings) -> TranscriptionRequest:
    """What a form asks for. Raises Refusal for what does not exist here."""
    _refuse_unknown_model(form.get("model", settings.model), settings)
    format = form.get("response_format", "json")
    if format not in FORMATS:
        raise Refusal(
            400,
            f"There is no response_format {format!r}; choose one of {', '.join(FORMATS)}.",
            param="response_format",
        )
    languages = [form.get("language"), *form.fields.get("languages[]", [])]
    for language in filter(None, languages):
        if not same_language(language, settings.language):
            raise Refusal(
                400,
                f"This server knows {language_name(settings.language)}, not {language!r}.",
                code="unsupported_language",
                param="language",
            )
    return TranscriptionRequest(
        format,
        words="word" in _listed(form, "timestamp_granularities"),
        stream=form.get("stream").lower() in _TRUE,
        log_probs="logprobs" in _listed(form, "include"),
        language=settings.language,
        glossary=glossary_of_keywords([*_listed(form, "keywords"), form.get("prompt")]),
    )


def _listed(form: Form, name: str) -> list[str]:
    return [*form.fields.get(name, []), *form.fields.get(f"{name}[]", [])]


def _render_text(wanted: TranscriptionRequest, finished: Finished) -> str:
    document = _document(finished)
    if wanted.format == "text":
        return text_of(document) + "\n"
    return render(document, wanted.format)


def _render_json(wanted: TranscriptionRequest, finished: Finished) -> str:
    document = _document(finished)
    content: dict[str, Any] = {"text": text_of(document), "usage": _usage(document)}
    if wanted.format == "verbose_json":
        content |= _heading(document) | {"segments": segments_of(document)}
        content["language"] = language_name(document.language).lower()
        if wanted.words:
            content["words"] = words_of(document.words)
    elif wanted.format == "diarized_json":
        content |= _heading(document) | {"segments": _spoken_segments(document)}
    if wanted.log_probs:
        content["logprobs"] = log_probs_of(document.words)
    return json.dumps(content, ensure_ascii=False)


def _document(finished: Finished) -> Document:
    return finished.document or Document(())


def _heading(document: Document) -> dict[str, Any]:
    return {"task": "transcribe", "duration": round(document.seconds or 0.0, 3)}


def _usage(document: Document) -> dict[str, Any]:
    return {"type": "duration", "seconds": round(document.seconds or 0.0, 3)}


def _spoken_segments(
    document: Document, first: int = 0, last: int | None = None
) -> list[dict[str, Any]]:
    """Segments as of a conversation, in which there is one speaker."""
    return [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{part['id']}",
            "start": part["start"],
            "end": part["end"],
            "text": part["text"],
            "speaker": _SPEAKER,
        }
        for part in segments_of(document, first, last)
    ]


async def _events(
    work: Work, recognition: Recognition, wanted: TranscriptionRequest
) -> AsyncIterator[bytes]:
    """Deltas as words are recognised, segments once they are final."""
    transcript = _TranscriptEvents(wanted)
    while not work.done.done():
        if work.document:
            for part in transcript.news(work.document, is_final=False):
                yield part
        progress = work.progress
        state = f"model {recognition.state}"
        if progress.total:
            state = f"progress {100 * progress.done / progress.total:.0f}"
        yield f": {state}\n\n".encode()  # a comment, which clients skip
        await work.wait_for_news(BEAT)
    try:
        document = _document(await work.result())
    except Refusal as refusal:
        yield event(openai_error(refusal), "error")
        return
    for part in transcript.news(document, is_final=True):
        yield part
    yield transcript.done(document)
    yield event("[DONE]")


class _TranscriptEvents:
    """The events of one stream; remembers what it has sent."""

    def __init__(self, wanted: TranscriptionRequest) -> None:
        self._wanted = wanted
        self._words = 0
        self._segments = 0

    def news(self, document: Document, *, is_final: bool) -> list[bytes]:
        """Events for what is new in the document."""
        events = []
        words = document.words[self._words :]
        if words:
            text = " ".join(word.text for word in words)
            delta = {"type": "transcript.text.delta", "delta": f" {text}" if self._words else text}
            if self._wanted.log_probs:
                delta["logprobs"] = log_probs_of(words)  # type: ignore[assignment]
            events.append(event(delta, "transcript.text.delta"))
            self._words = len(document.words)
        last = len(document.cues) if is_final else count_settled_cues(document)
        for segment in _spoken_segments(document, self._segments, last):
            # Some clients read the segment itself, others a copy inside it
            nested = {**segment, "segment": segment}
            events.append(event(nested, "transcript.text.segment"))
        self._segments = max(last, self._segments)
        return events

    def done(self, document: Document) -> bytes:
        """The event with the whole text."""
        done = {
            "type": "transcript.text.done",
            "text": text_of(document),
            "segments": _spoken_segments(document),
            "usage": _usage(document),
        }
        if self._wanted.log_probs:
            done["logprobs"] = log_probs_of(document.words)
        return event(done, "transcript.text.done")


def count_settled_cues(document: Document) -> int:
    """Count the cues that stay as they are, whatever is said next: those before the last long
    pause, which no cue spans.
    """
    for word, before in pairwise(reversed(document.words)):
        if word.start - before.end >= NETFLIX.long_pause:
            return bisect_left(document.cues, word.start, key=lambda cue: cue.start)
    return 0
