"""Files from the web: whole or not there, checked, and resumed where a first try was cut off."""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gptasr_subs.errors import GptasrError
from gptasr_subs.storage.files import write_error

ProgressCallback = Callable[[int, int | None], None]  # bytes so far, bytes in all where known

_CHUNK = 1 << 18
_TIMEOUT = 30.0  # seconds without a byte
_NO_SUCH_RANGE = 416
_NETWORK_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    TimeoutError,
    ConnectionError,
)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that is fetched: its name here, the addresses where it may be, the page where a person
    finds it, its checksum if known.
    """

    name: str
    urls: tuple[str, ...]
    page: str
    sha256: str = ""


class DownloadError(GptasrError):
    """A file could not be fetched; the message is a clause that says why."""


def fetch(remote: RemoteFile, folder: Path, on_progress: ProgressCallback | None = None) -> Path:
    """Download ``remote`` into ``folder`` from the first address that has it.

    What an earlier try left (a ``.part`` file) is gone on with. Raises DownloadError where it
    cannot be had or is not what it should be, OutputError where it cannot be written.
    """
    reasons = []
    for url in remote.urls:
        try:
            return _fetch(url, remote, folder, on_progress=on_progress)
        except DownloadError as error:
            reasons.append(str(error))
    raise DownloadError("; then ".join(reasons))


def _fetch(
    url: str, remote: RemoteFile, folder: Path, *, on_progress: ProgressCallback | None
) -> Path:
    target = folder / remote.name
    part = folder / f"{remote.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _receive(url, part, on_progress)
        _verify(part, remote.sha256)
        part.replace(target)
    except urllib.error.HTTPError as error:
        reason = f"its home answered {error.code} {error.reason}".rstrip()
        raise DownloadError(reason) from error
    except _NETWORK_ERRORS as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        raise DownloadError(str(cause) or type(cause).__name__) from error
    except OSError as error:
        raise write_error(target, error) from error
    return target


def _receive(url: str, part: Path, on_progress: ProgressCallback | None) -> None:
    """Append to ``part`` what it lacks.

    From the start where the server cannot or will not go on from there.
    """
    begun = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            if response.headers.get_content_type() == "text/html":
                raise DownloadError("its home answered with a web page instead of the file")
            resumed = begun if response.status == http.client.PARTIAL_CONTENT else 0
            _copy(response, part, resumed, on_progress=on_progress)
    except urllib.error.HTTPError as error:
        if error.code != _NO_SUCH_RANGE or not begun:
            raise
        # Another file, or too long
        length = re.search(r"/(\d+)$", error.headers.get("Content-Range") or "")
        if not length or int(length[1]) != begun:
            part.unlink()
            _receive(url, part, on_progress)


def _copy(
    response: http.client.HTTPResponse,
    part: Path,
    begun: int,
    *,
    on_progress: ProgressCallback | None,
) -> None:
    length = response.headers.get("Content-Length")
    total = begun + int(length) if length else None
    with part.open("r+b" if begun else "wb") as file:
        file.seek(begun)
        done = begun
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            done += len(chunk)
            if on_progress:
                on_progress(done, total)
    if total is not None and done < total:  # read() itself raises nothing
        raise ConnectionError(f"the connection ended after {done} of {total} bytes")


def _verify(part: Path, sha256: str) -> None:
    if not sha256:
        return
    digest = hashlib.sha256()
    with part.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != sha256:
        part.unlink()
        raise DownloadError(
            "what arrived is not the file that was published (its checksum differs)"
        )
