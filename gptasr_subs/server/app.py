"""The application: its addresses, and the life of what they share."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.server import bazarr, jobs, metrics, openai
from gptasr_subs.server.access import Access
from gptasr_subs.server.answers import Refusal, answer_refusal
from gptasr_subs.server.link import load_model
from gptasr_subs.server.page import documents, folders, pages, playback, reviewing
from gptasr_subs.server.page import uploads as page_uploads
from gptasr_subs.server.page.proxies import Proxies
from gptasr_subs.server.page.resumable import ResumableUploads
from gptasr_subs.server.patience import Patience
from gptasr_subs.server.recognition import Recognition
from gptasr_subs.server.services import Services, services_of
from gptasr_subs.server.settings import Settings
from gptasr_subs.server.uploads import UploadFolder
from gptasr_subs.storage.folders import cache_folder, data_folder


def create_app(
    settings: Settings,
    load: Callable[[], Recognizer] | None = None,
    wyoming: socket.socket | None = None,
) -> Starlette:
    """The ASGI application.

    ``load`` makes the recogniser in the process for it, which gets the function by pickle. Home
    Assistant is answered on the socket ``wyoming``.
    """
    load = load or partial(load_model, settings.model, settings.device, settings.language)
    errors = (Refusal, HTTPException, ClientDisconnect, Exception)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/metrics", metrics.metrics),
            Route("/status", bazarr.status),
            Route("/asr", bazarr.asr, methods=["POST"]),
            Route("/detect-language", bazarr.detect_language, methods=["POST"]),
            *openai.ROUTES,
            *jobs.ROUTES,
            *documents.ROUTES,
            *playback.ROUTES,
            *reviewing.ROUTES,
            *page_uploads.ROUTES,
            *folders.ROUTES,
            *pages.ROUTES,
        ],
        middleware=[Middleware(Patience), Middleware(Access, settings=settings)],
        exception_handlers=dict.fromkeys(errors, answer_refusal),
        lifespan=partial(_lifespan, settings=settings, load=load, wyoming=wyoming),
    )


@asynccontextmanager
async def _lifespan(
    app: Starlette,
    *,
    settings: Settings,
    load: Callable[[], Recognizer],
    wyoming: socket.socket | None,
) -> AsyncIterator[None]:
    """Make what the addresses share, and end it with the server."""
    services = Services(
        settings,
        Recognition(load, settings.idle_seconds),
        uploads=UploadFolder(cache_folder() / "uploads", settings.max_upload),
        job_uploads=UploadFolder(data_folder() / "uploads", settings.max_upload),
        films=ResumableUploads(data_folder() / "films", settings.max_upload),
        proxies=Proxies(cache_folder() / "page"),
    )
    services.films.prepare()
    services.proxies.prepare()
    app.state.services = services
    async with AsyncExitStack() as stack:
        stack.enter_context(services.uploads.in_use())
        stack.enter_context(services.job_uploads.in_use())
        if wyoming:
            from gptasr_subs.server.wyoming import answering

            await stack.enter_async_context(answering(wyoming, services))
        await stack.enter_async_context(jobs.working_off(services))
        stack.push_async_callback(services.recognition.stop)
        stack.push_async_callback(services.proxies.cancel)
        yield


async def healthz(request: Request) -> Response:
    """Whether the server answers, and what the model does."""
    recognition = services_of(request).recognition
    return JSONResponse(
        {"status": "ok", "model": recognition.state, "waiting": recognition.waiting}
    )
