"""Audio that clients send: received at the speed of the network into a folder of the server, hashed
on the way, and removed once no request needs it.

None of it is held in memory: the audio of a film has hundreds of MB, and Bazarr gives up where a
server does not take all of them within seconds, so it cannot wait for the recognition. Most
containers need seeking, which a pipe does not allow, and a recognition process that died begins
again with the same audio.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from gptasr_subs.server.answers import Refusal
from gptasr_subs.server.containers import refuse_unknown_container
from gptasr_subs.storage.files import MIB
from gptasr_subs.storage.locks import sharing

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

RAW_RATE = 16000  # samples a second of audio without a container, mono, 16 bits

_BLOCKS = MIB // 8, MIB  # bytes that are written at once, at the start of an upload and later
_MAX_FIELDS = 100
_MAX_FIELD_BYTES = 8 * MIB  # of all fields: samples of voices come as text
_ABANDONED = 24 * 3600.0  # seconds after which no request can still need a file
_LARGEST_WAV = 0xFFFFFFFF  # bytes that its header can state


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was received whole. ``digest`` says what is in it."""

    path: Path
    digest: str
    size: int

    def delete(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form in the order they came, and its file."""

    fields: dict[str, list[str]]
    upload: Upload
    filename: str

    def get(self, name: str, default: str = "") -> str:
        """The last value of a field."""
        return self.fields.get(name, [default])[-1]

    def delete(self) -> None:
        """Remove the file."""
        self.upload.delete()


class UploadFolder:
    """Where the files lie."""

    def __init__(self, folder: Path, max_bytes: int = 0) -> None:
        """``max_bytes`` of one upload; 0 for no limit."""
        self.folder = folder
        self.max_bytes = max_bytes

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Have the folder for the time of the block, without what killed servers left there.

        Another server may use it, too, whose files stay.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._clean(_ABANDONED)
        with sharing(self.folder, when_first=self._clean):
            yield

    def _clean(self, age: float = 0.0) -> None:
        """Remove files that are at least so many seconds old."""
        for path in self.folder.iterdir():
            if path.is_file() and time.time() - path.stat().st_mtime >= age:
                path.unlink(missing_ok=True)

    def holds(self, path: Path) -> bool:
        """Whether a file lies here."""
        return path.is_relative_to(self.folder.absolute())

    def refuse_long(self, request: Request) -> None:
        """Raise Refusal where a client says that it will send too much."""
        length = request.headers.get("content-length", "0")
        if self.max_bytes and length.isdecimal() and int(length) > self.max_bytes + MIB:
            raise too_long(self.max_bytes)

    def receive(self, *, raw: bool = False) -> UploadSink:
        """Begin a new file; ``raw`` is audio without a container."""
        return UploadSink(self.folder / secrets.token_hex(16), self.max_bytes, raw)


def too_long(max_bytes: int) -> Refusal:
    """The refusal of an upload over the limit."""
    return Refusal(413, f"An upload may have {max_bytes / MIB:.0f} MiB here; see --max-upload.")


class UploadSink:
    """A file that is being received."""

    def __init__(self, path: Path, max_bytes: int, raw: bool) -> None:
        """Made by ``UploadFolder.receive``."""
        self._path = path
        self._max_bytes = max_bytes
        self._raw = raw
        self._hash = blake2b(b"raw" if raw else b"file", digest_size=16)
        self._waiting = bytearray(wav_header(0) if raw else b"")
        self._size = 0
        try:
            self._file = path.open("xb")
        except OSError as error:
            raise cannot_store(error) from error

    async def write(self, data: bytes | memoryview) -> None:
        """Take bytes. Raises Refusal where there are too many, or no room for them."""
        self._size += len(data)
        if self._max_bytes and self._size > self._max_bytes:
            raise too_long(self._max_bytes)
        self._waiting += data
        if len(self._waiting) >= min(_BLOCKS[0] + self._size // 64, _BLOCKS[1]):
            await asyncio.to_thread(self._write_waiting)

    async def finish(self) -> Upload:
        """The whole file. Raises Refusal where it is empty, or nothing that is taken here."""
        if not self._size:
            raise Refusal(400, "The audio file is empty; send it again.")
        await asyncio.to_thread(self._finish)
        if not self._raw:
            await asyncio.to_thread(refuse_unknown_container, self._path)
        return Upload(self._path, self._hash.hexdigest(), self._size)

    def discard(self) -> None:
        """Remove what has come so far."""
        with suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)

    def _write_waiting(self) -> None:
        try:
            self._hash.update(self._waiting)
            self._file.write(self._waiting)
        except OSError as error:
            raise cannot_store(error) from error
        self._waiting.clear()

    def _finish(self) -> None:
        self._write_waiting()
        try:
            if self._raw:
                self._file.seek(0)
                self._file.write(wav_header(self._size))
            self._file.close()
        except OSError as error:
            raise cannot_store(error) from error


def wav_header(size: int) -> bytes:
    """The 44 bytes before ``size`` bytes of mono audio with 16 bits at ``RAW_RATE``."""
    size = min(size // 2 * 2, _LARGEST_WAV - 36)
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, RAW_RATE, 2 * RAW_RATE, 2, 16),
        *(b"data", size),
    )


async def read_form(
    request: Request, folder: UploadFolder, file_field: str, *, raw: bool = False
) -> Form:
    """A form with its file, read to its end.

    Raises Refusal for what is no form, holds no such file, or is too large. Nothing is left on disk
    then.
    """
    folder.refuse_long(request)
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise Refusal(415, f"Send a form (multipart/form-data) with the file as {file_field!r}.")
    reader = _FormReader(folder, file_field, raw)
    try:
        parser = MultipartParser(options[b"boundary"], reader.callbacks())
        async for chunk in request.stream():
            parser.write(chunk)
            await reader.settle()
        parser.finalize()
        if not reader.is_over:
            raise FormParserError("no end")
        return reader.form()
    except (FormParserError, UnicodeError, ClientDisconnect) as error:
        reader.discard()
        raise Refusal(400, "The form is broken or cut short; send it again.") from error
    except BaseException:
        reader.discard()
        raise


class _FormReader:
    """Turns what the parser finds into fields and a file.

    The parser's callbacks cannot await, so they note what there is to do, and ``settle`` does it.
    """

    def __init__(self, folder: UploadFolder, file_field: str, raw: bool) -> None:
        self.is_over = False
        self._fields: dict[str, list[str]] = {}
        self._upload: Upload | None = None
        self._filename = ""
        self._folder = folder
        self._file_field = file_field
        self._raw = raw
        self._found: list[tuple[str, bytes]] = []
        self._header = (bytearray(), bytearray())
        self._headers: dict[str, bytes] = {}
        self._name = ""
        self._sink: UploadSink | None = None
        self._text = bytearray()
        self._text_bytes = 0

    def callbacks(self) -> MultipartCallbacks:
        """What the parser calls."""
        return {
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": lambda data, start, end: self._found.append(("data", data[start:end])),
            "on_part_end": lambda: self._found.append(("end", b"")),
            "on_end": lambda: self._found.append(("over", b"")),
        }

    def form(self) -> Form:
        """What was found. Raises Refusal where there is no file."""
        if self._upload is None:
            raise Refusal(
                400,
                f"The form has no file; send one as {self._file_field!r}.",
                param=self._file_field,
            )
        return Form(self._fields, self._upload, self._filename)

    async def settle(self) -> None:
        """Do what the parser has found."""
        found = self._found
        self._found = []
        for kind, data in found:
            if kind == "begin":
                self._begin(data)
            elif kind == "data" and self._sink:
                await self._sink.write(data)
            elif kind == "data":
                self._text_bytes += len(data)
                if self._text_bytes > _MAX_FIELD_BYTES:
                    most = _MAX_FIELD_BYTES // MIB
                    raise Refusal(413, f"The fields of a form may have {most} MiB.")
                self._text += data
            elif kind == "end" and self._sink:
                self._upload = await self._sink.finish()
                self._sink = None
            elif kind == "end":
                self._fields.setdefault(self._name, []).append(self._text.decode())
            else:
                self.is_over = True

    def discard(self) -> None:
        """Remove the file, whole or not."""
        if self._sink:
            self._sink.discard()
        if self._upload:
            self._upload.delete()

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[name.decode("latin-1").lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _end_headers(self) -> None:
        self._found.append(("begin", self._headers.get("content-disposition", b"")))
        self._headers = {}

    def _begin(self, disposition: bytes) -> None:
        _, options = parse_options_header(disposition)
        self._name = options.get(b"name", b"").decode()
        self._text = bytearray()
        if self._name == self._file_field:
            if self._upload:
                raise Refusal(400, f"Send one file as {self._file_field!r}, not several.")
            self._filename = options.get(b"filename", b"").decode(errors="replace")
            self._sink = self._folder.receive(raw=self._raw)
        elif sum(map(len, self._fields.values())) >= _MAX_FIELDS:
            raise Refusal(400, f"A form may have {_MAX_FIELDS} fields.")


def cannot_store(error: OSError) -> Refusal:
    """The refusal where the disk does not take an upload."""
    reason = (error.strerror or os.strerror(error.errno or 0)).lower()
    return Refusal(507, f"The server cannot store the upload ({reason}); free some disk space.")
