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
from gptasr_subs.server.recognition import Ask, Recognition, Source, Work
from gptasr_subs.server.segments import log_probs_of, segments_of, text_of, words_of
from gptasr_subs.server.services import services_of
from gptasr_subs.server.settings import Settings
from gptasr_subs.server.uploads import Form, read_form
from gptasr_subs.server.waiting import Manner, WaitingResponse, answer_later

ALIASES = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")
FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")

# Seconds between two signs of life. Clients wait for minutes, and until the first one an error can
# still be told by its status.
BEAT = 10.0

_SPEAKER = "A"  # voices are not told apart
_TRUE = ("true", "1")


@dataclass(frozen=True, slots=True)
class Wish:
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
    """One of them."""
    name = request.path_params["name"]
    _refuse_unknown_model(name, services_of(request).settings)
    return JSONResponse(_model(name))


async def transcribe(request: Request) -> Response:
    """The text of an uploaded file."""
    services = services_of(request)
    form = await read_form(request, services.uploads, "file")
    try:
        wish = _wish(form, services.settings)
        if form.upload is None:
            raise Refusal(400, "The form has no file; send one as 'file'.", param="file")
    except Refusal:
        form.delete()
        raise
    source = Source.of_upload(form.upload)
    ask = Ask(
        source,
        Options(language=wish.language),
        urgent=True,
        follow=wish.stream,
        glossary=wish.glossary,
    )
    if wish.stream:
        return await _stream(services.recognition, ask, wish)
    return await answer_later(services.recognition, ask, _manner(wish))


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


def _wish(form: Form, settings: Settings) -> Wish:
    """The settings of a form. Raises Refusal for what there is not."""
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
    return Wish(
        format,
        words="word" in _listed(form, "timestamp_granularities"),
        stream=form.get("stream").lower() in _TRUE,
        log_probs="logprobs" in _listed(form, "include"),
        language=settings.language,
        glossary=glossary_of_keywords([*_listed(form, "keywords"), form.get("prompt")]),
    )


def _listed(form: Form, name: str) -> list[str]:
    return [*form.fields.get(name, []), *form.fields.get(f"{name}[]", [])]


def _manner(wish: Wish) -> Manner:
    if wish.format == "vtt":
        text = partial(_render_text, wish)
        return Manner(text, "text/vtt", BEAT, opening="WEBVTT\n", blank="\nNOTE recognising\n")
    if wish.format in ("text", "srt"):
        return Manner(partial(_render_text, wish), "text/plain", BEAT)
    return Manner(partial(_render_json, wish), "application/json", BEAT)


def _render_text(wish: Wish, finished: Finished) -> str:
    document = _document(finished)
    if wish.format == "text":
        return text_of(document) + "\n"
    return render(document, wish.format).removeprefix("WEBVTT\n")


def _render_json(wish: Wish, finished: Finished) -> str:
    document = _document(finished)
    content: dict[str, Any] = {"text": text_of(document), "usage": _usage(document)}
    if wish.format == "verbose_json":
        content |= _heading(document) | {"segments": segments_of(document)}
        content["language"] = language_name(document.language).lower()
        if wish.words:
            content["words"] = words_of(document.words)
    elif wish.format == "diarized_json":
        content |= _heading(document) | {"segments": _spoken_segments(document)}
    if wish.log_probs:
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


async def _stream(recognition: Recognition, ask: Ask, wish: Wish) -> Response:
    stack = AsyncExitStack()
    async with stack:
        work = await stack.enter_async_context(recognition.join(ask))
        return WaitingResponse(
            _events(work, recognition, wish), stack.pop_all(), media_type="text/event-stream"
        )


async def _events(work: Work, recognition: Recognition, wish: Wish) -> AsyncIterator[bytes]:
    """Deltas as words are recognised, segments once they are final."""
    told = _Told(wish)
    while not work.done.done():
        if work.document:
            for part in told.news(work.document, is_final=False):
                yield part
        yield _comment(work, recognition)
        await work.wait_for_news(BEAT)
    try:
        document = _document(await work.result())
    except Refusal as refusal:
        yield event(openai_error(refusal), "error")
        return
    for part in told.news(document, is_final=True):
        yield part
    done = {
        "type": "transcript.text.done",
        "text": text_of(document),
        "segments": _spoken_segments(document),
        "usage": _usage(document),
    }
    if wish.log_probs:
        done["logprobs"] = log_probs_of(document.words)
    yield event(done, "transcript.text.done")
    yield event("[DONE]")


def _comment(work: Work, recognition: Recognition) -> bytes:
    """A line of the stream that clients skip."""
    progress = work.progress
    if progress.total:
        return f": progress {100 * progress.done / progress.total:.0f}\n\n".encode()
    return f": model {recognition.state}\n\n".encode()


class _Told:
    """What a stream has told so far."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._words = 0
        self._segments = 0

    def news(self, document: Document, *, is_final: bool) -> list[bytes]:
        """Events for what is new in the document."""
        events = []
        words = document.words[self._words :]
        if words:
            text = " ".join(word.text for word in words)
            delta = {"type": "transcript.text.delta", "delta": f" {text}" if self._words else text}
            if self._wish.log_probs:
                delta["logprobs"] = log_probs_of(words)  # type: ignore[assignment]
            events.append(event(delta, "transcript.text.delta"))
            self._words = len(document.words)
        last = len(document.cues) if is_final else _settled_cues(document)
        for segment in _spoken_segments(document, self._segments, last):
            # Some clients read the segment itself, others a copy inside it
            nested = {**segment, "segment": segment}
            events.append(event(nested, "transcript.text.segment"))
        self._segments = max(last, self._segments)
        return events


def _settled_cues(document: Document) -> int:
    """How many cues stay as they are, whatever is said next: those before the last long pause,
    which no cue reaches across.
    """
    for word, before in pairwise(reversed(document.words)):
        if word.start - before.end >= NETFLIX.long_pause:
            return bisect_left(document.cues, word.start, key=lambda cue: cue.start)
    return 0
