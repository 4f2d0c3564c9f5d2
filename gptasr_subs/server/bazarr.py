"""``/asr``, ``/detect-language`` and ``/status``: what Bazarr's provider "Whisper" and clients of
whisper-asr-webservice speak.

Bazarr reads no HTTP status: the body is the subtitle. See docs/server.md for what each answer does
to it.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gptasr_subs import __version__
from gptasr_subs.errors import MediaError
from gptasr_subs.formats import render
from gptasr_subs.formats.document import Document
from gptasr_subs.media.languages import language_name, same_language, shortest_code
from gptasr_subs.media.probe import choose_track, probe
from gptasr_subs.pipeline.options import Options
from gptasr_subs.server.answers import Refusal
from gptasr_subs.server.keywords import glossary_of_keywords
from gptasr_subs.server.messages import Finished
from gptasr_subs.server.paths import mapped_file
from gptasr_subs.server.recognition import RecognitionTask, Source
from gptasr_subs.server.segments import segments_of, text_of
from gptasr_subs.server.services import Services, services_of
from gptasr_subs.server.settings import Settings
from gptasr_subs.server.uploads import read_form
from gptasr_subs.server.waiting import AnswerStyle, answer_later, vtt_style
from gptasr_subs.types import Cue

OUTPUTS = ("srt", "vtt", "txt", "tsv", "json")
# Mean confidence of the first minute of speech from which on it is taken for English. English had
# 0.73 to 0.91, also under noise; 13 other languages had 0.30 to 0.46, and Dutch 0.55.
ENGLISH_FROM = 0.6

_PLACEHOLDER_SECONDS = 3.0
_TRUE = ("true", "1", "yes")


async def status(request: Request) -> Response:
    """Show that the server is there."""
    return JSONResponse({"version": __version__, "model": services_of(request).recognition.state})


async def asr(request: Request) -> Response:
    """Subtitles of an uploaded file, or of one that this computer has itself."""
    services = services_of(request)
    known = services.settings.language
    output = request.query_params.get("output", "txt").lower()
    spoken = request.query_params.get("language", "")
    # What cannot be done is refused before the upload is read.
    if output not in OUTPUTS:
        raise Refusal(422, f"There is no output {output!r}; choose one of {', '.join(OUTPUTS)}.")
    if request.query_params.get("task", "transcribe") != "transcribe":
        raise Refusal(422, "This server writes down what is said and does not translate it.")
    if spoken and not same_language(spoken, known):
        raise Refusal(
            422, f"This server knows {language_name(known)}; it was asked for {spoken!r}."
        )
    keywords = glossary_of_keywords(request.query_params.getlist("hotwords"))
    source = await _source(request, services)
    task = RecognitionTask(
        source,
        Options(language=known),
        keep=True,
        # Without keywords, a file of this computer has the glossaries beside it
        glossary=keywords if keywords or source.upload else None,
    )
    return await answer_later(services.recognition, task, _answer_style(output, services.settings))


async def detect_language(request: Request) -> Response:
    """The language spoken: what the file says of its track, else English where it sounds like it.

    ``{}`` means to Bazarr that it is not known.
    """
    services = services_of(request)
    source = await _source(request, services)
    if not source.upload:
        try:
            info = await asyncio.to_thread(probe, source.path)
            track = info.audio[choose_track(info, None, services.settings.language)]
        except MediaError as error:
            raise Refusal(422, str(error).replace(repr(str(source.path)), "The file")) from error
        if track.language:
            return Response(_language_facts(track.language), media_type="application/json")
    task = RecognitionTask(
        source, Options(language=services.settings.language), urgent=True, listen=True
    )

    def render_guess(finished: Finished) -> str:
        is_sure = finished.confidence >= ENGLISH_FROM
        return _language_facts(services.settings.language if is_sure else "")

    style = AnswerStyle(
        render_guess,
        "application/json",
        services.settings.keepalive,
        apology=lambda refusal: _language_facts(""),
    )
    return await answer_later(services.recognition, task, style)


async def _source(request: Request, services: Services) -> Source:
    """The file that was named, where it is one of ours, else the one that was sent."""
    named = mapped_file(request.query_params.get("video_file", ""), services.settings)
    if named:
        async for _ in request.stream():  # a client that is cut off takes the server for broken
            pass
        return Source.of_file(named)
    raw = request.query_params.get("encode", "true").lower() not in _TRUE
    form = await read_form(request, services.uploads, "audio_file", raw=raw)
    return Source.of_upload(form.upload)


def _language_facts(language: str) -> str:
    """The object that Bazarr reads; it must be empty where the language is not known."""
    code = shortest_code(language)
    return json.dumps(
        {"detected_language": language_name(code), "language_code": code} if code else {}
    )


def _answer_style(output: str, settings: Settings) -> AnswerStyle:
    style = AnswerStyle(partial(_render, output, settings), "text/plain", settings.keepalive)
    if output == "json":
        return replace(style, media_type="application/json")
    if output == "vtt":
        return vtt_style(style.render, style.media_type, style.keepalive)
    if output == "srt":
        # Blank lines and an object are no subtitle to Bazarr, which then simply asks again later
        return replace(style, apology=lambda refusal: json.dumps({"detail": str(refusal)}) + "\n")
    return style


def _render(output: str, settings: Settings, finished: Finished) -> str:
    """The subtitle. Raises Refusal where there is none and no placeholder was asked for."""
    document = finished.document or Document(())
    if not document.cues:
        # An empty subtitle would be saved, and Bazarr would never ask for it again
        if not settings.placeholder:
            raise Refusal(422, "Nobody speaks in this audio, so there are no subtitles.")
        cue = Cue(0.0, _PLACEHOLDER_SECONDS, (settings.placeholder,))
        document = replace(document, cues=(cue,), language=settings.language)
    if output == "json":
        segments = [{**part, "speaker": None} for part in segments_of(document)]
        content = {
            "text": text_of(document),
            "segments": segments,
            "language": document.language,
        }
        return json.dumps(content, ensure_ascii=False)
    return render(document, output)
