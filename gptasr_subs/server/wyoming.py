"""Home Assistant's protocol Wyoming, on a port of its own: a sentence is spoken, and its text comes
back.

It knows no keys, so addresses alone decide who has access.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioChunkConverter, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info

from gptasr_subs import __version__
from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.media.languages import language_name, same_language
from gptasr_subs.pipeline.options import Options
from gptasr_subs.server.access import is_allowed
from gptasr_subs.server.answers import Refusal
from gptasr_subs.server.keywords import glossary_of_keywords
from gptasr_subs.server.recognition import RecognitionTask, Source
from gptasr_subs.server.segments import text_of
from gptasr_subs.server.services import Services
from gptasr_subs.server.settings import Settings
from gptasr_subs.server.uploads import RAW_RATE, UploadSink

PATIENCE = 60.0  # seconds without an event

_LARGEST = 1 << 20  # bytes of one event; audio comes in some thousands
_BROKEN = (asyncio.TimeoutError, EOFError, OSError, AttributeError, KeyError, TypeError)


@asynccontextmanager
async def answering(listener: socket.socket, services: Services) -> AsyncIterator[None]:
    """Answer those who connect while in the block."""
    talks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.ensure_future(_converse(reader, writer, services))
        talks.add(talk)
        talk.add_done_callback(talks.discard)

    server = await asyncio.get_running_loop().create_server(
        lambda: asyncio.StreamReaderProtocol(_Reader(), begin), sock=listener
    )
    try:
        yield
    finally:
        server.close()
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, services: Services
) -> None:
    talk = _Conversation(services)
    try:
        settings = services.settings
        is_open = settings.is_local or settings.no_key
        if not (is_open or is_allowed(writer.get_extra_info("peername")[0], settings)):
            return
        while True:
            event = None  # where nothing comes any more that can be understood
            with suppress(*_BROKEN):
                event = await asyncio.wait_for(async_read_event(reader), PATIENCE)
            if event is None or not isinstance(event.data, dict):
                return
            answer = await talk.take(event)
            if answer:
                await async_write_event(answer, writer)
            if answer and Error.is_type(answer.type):
                return
    except ConnectionError:  # the client is gone
        pass
    finally:
        talk.discard()
        writer.close()


class _Reader(asyncio.StreamReader):
    """Reads no event that is larger than any should be."""

    async def readexactly(self, n: int) -> bytes:
        if n > _LARGEST:
            raise EOFError
        return await super().readexactly(n)


class _Conversation:
    """What one client says, and the answers to it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._converter = AudioChunkConverter(rate=RAW_RATE, width=2, channels=1)
        self._sink: UploadSink | None = None
        self._glossary = Glossary(())
        self._refusal: Refusal | None = None  # sent at the end: clients do not listen before

    async def take(self, event: Event) -> Event | None:
        """The answer to an event, if it has one."""
        if Describe.is_type(event.type):
            return _info(self._services.settings).event()
        if Transcribe.is_type(event.type):
            self._begin(Transcribe.from_event(event))
        elif AudioStart.is_type(event.type):
            self.discard()
        elif AudioChunk.is_type(event.type) and not self._refusal:
            await self._add_audio(event)
        elif AudioStop.is_type(event.type):
            return await self._answer()
        return None

    def discard(self) -> None:
        """Drop the audio received so far."""
        if self._sink:
            self._sink.discard()
            self._sink = None

    def _begin(self, request: Transcribe) -> None:
        known = self._services.settings.language
        language = str(request.language or known)
        lists = (request.transcript_names, request.transcript_terms)
        keywords = [str(word) for words in lists if isinstance(words, list) for word in words]
        try:
            if not same_language(language, known):
                raise Refusal(400, f"This server knows {language_name(known)}, not {language!r}.")
            self._glossary = glossary_of_keywords(keywords)
            self._refusal = None
        except Refusal as refusal:
            self._refusal = refusal

    async def _add_audio(self, event: Event) -> None:
        try:
            chunk = _chunk_of(event)
            self._sink = self._sink or self._services.uploads.receive(raw=True)
            await self._sink.write(self._converter.convert(chunk).audio)
        except Refusal as refusal:
            self._refusal = refusal
            self.discard()

    async def _answer(self) -> Event:
        language = self._services.settings.language
        try:
            if self._refusal:
                raise self._refusal
            document = None
            if self._sink:
                upload = await self._sink.finish()
                self._sink = None  # the recognition deletes the file
                task = RecognitionTask(
                    Source.of_upload(upload),
                    Options(language=language),
                    urgent=True,
                    glossary=self._glossary,
                )
                async with self._services.recognition.join(task) as work:
                    document = (await work.result()).document
        except Refusal as refusal:
            return Error(str(refusal), code=str(refusal.status)).event()
        return Transcript(text_of(document) if document else "", language=language).event()


def _info(settings: Settings) -> Info:
    origin = Attribution("gptasr-subs", url="")
    model = AsrModel(
        settings.model,
        origin,
        installed=True,
        description=f"GPT-ASR, {language_name(settings.language)}",
        version=None,
        languages=[settings.language],
    )
    program = AsrProgram(
        "gptasr-subs",
        origin,
        installed=True,
        description="Speech to text on your own computer",
        version=__version__,
        models=[model],
    )
    return Info(asr=[program])


def _chunk_of(event: Event) -> AudioChunk:
    """Raises Refusal for audio that cannot be converted."""
    try:
        chunk = AudioChunk.from_event(event)
        is_known = chunk.width in (1, 2, 3, 4) and chunk.channels in (1, 2)
        is_whole = is_known and len(chunk.audio) % (chunk.width * chunk.channels) == 0
        if is_whole and 1000 <= chunk.rate <= 192_000:
            return chunk
    except (KeyError, TypeError):
        pass
    raise Refusal(400, "Send whole samples of PCM audio, mono or stereo, at 1 to 192 kHz.")
