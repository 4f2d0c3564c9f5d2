"""Forms become files at once; what is broken or too large leaves nothing behind."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gptasr_subs.server.answers import Refusal, answer_refusal
from gptasr_subs.server.uploads import UploadFolder, read_form
from gptasr_subs.storage.files import MIB
from tests.support.served import Served

BODY = (
    b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.raw"\r\n\r\n'
    + b"\x01\x02" * 50
    + b'\r\n--b\r\nContent-Disposition: form-data; name="last"\r\n\r\nyes\r\n--b--\r\n'
)


def send(
    folder: Path,
    body: bytes | AsyncIterator[bytes],
    kind: str = "multipart/form-data; boundary=b",
    limit: int = 0,
) -> httpx.Response:
    """The answer of an application that says what came; files are removed after that."""
    uploads = UploadFolder(folder, limit)

    async def show(request: Request) -> Response:
        form = await read_form(request, uploads, "file", raw=True)
        with wave.open(str(form.upload.path)) as file:
            audio = file.readframes(file.getnframes()).hex()
        form.delete()
        return JSONResponse({"fields": form.fields, "audio": audio, "name": form.filename})

    app = Starlette(
        routes=[Route("/", show, methods=["POST"])], exception_handlers={Refusal: answer_refusal}
    )

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as session:
            return await session.post("/", content=body, headers={"content-type": kind})

    with uploads.in_use():
        return asyncio.run(post())


def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    async def send() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return send()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_form_in_pieces_of_any_size(tmp_path: Path, size: int) -> None:
    answer = send(tmp_path, pieces(BODY, size)).json()
    assert answer["fields"] == {"model": ["whisper-1"], "last": ["yes"]}
    assert answer["audio"] == "0102" * 50 and answer["name"] == "x.raw"
    assert list(tmp_path.iterdir()) == []


def test_a_form_that_is_cut_at_any_byte(tmp_path: Path) -> None:
    whole = BODY.removesuffix(b"\r\n")
    for end in range(len(whole)):
        answer = send(tmp_path, whole[:end])
        assert answer.status_code == 400 and answer.text.endswith(".\n"), end
    assert list(tmp_path.iterdir()) == []


def broken() -> Iterator[bytes]:
    for place in range(0, len(BODY), 3):
        yield BODY[:place] + b"\0\xff\r" + BODY[place + 2 :]


def test_a_form_that_is_damaged_anywhere(tmp_path: Path) -> None:
    for body in broken():
        assert send(tmp_path, body).status_code in (200, 400)
    assert list(tmp_path.iterdir()) == []


def test_no_form_no_file_two_files_many_fields_and_long_ones(tmp_path: Path) -> None:
    assert send(tmp_path, b"{}", "application/json").status_code == 415
    assert send(tmp_path, b"", "multipart/form-data").status_code == 415
    file = BODY[BODY.index(b'--b\r\nContent-Disposition: form-data; name="file"') :]
    assert "not several" in send(tmp_path, BODY.removesuffix(b"--b--\r\n") + file).text
    field = BODY[: BODY.index(b'--b\r\nContent-Disposition: form-data; name="file"')]
    assert send(tmp_path, field + b"--b--\r\n").text == (
        "The form has no file; send one as 'file'.\n"
    )
    assert "100 fields" in send(tmp_path, 101 * field + b"--b--\r\n").text
    long = field.replace(b"whisper-1", bytes(9 * MIB))
    assert send(tmp_path, long + b"--b--\r\n").status_code == 413
    assert list(tmp_path.iterdir()) == []


def test_too_large_is_said_while_it_comes(tmp_path: Path) -> None:
    answer = send(tmp_path, pieces(BODY, 10), limit=60)
    assert answer.status_code == 413 and list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = open("/dev/full", "wb", buffering=0)  # noqa: PTH123, SIM115
    monkeypatch.setattr(Path, "open", lambda path, mode: full)
    answer = send(tmp_path, BODY)
    assert answer.status_code == 507 and "no space left" in answer.text
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_server_left_is_removed_unless_another_runs(tmp_path: Path) -> None:
    left = tmp_path / "left"
    folder = UploadFolder(tmp_path)
    left.touch()
    with folder.in_use():
        assert not left.exists()
        left.touch()
        with UploadFolder(tmp_path).in_use():
            assert left.exists()
    with folder.in_use():
        assert not left.exists()


curl = pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")


@curl
def test_curl_is_told_before_it_sends(server: Served, tmp_path: Path) -> None:
    """The server takes 4 MiB at most; curl asks first where it has more than 1 MB to send."""
    (tmp_path / "large").write_bytes(bytes(8 << 20))
    command = ["curl", "-sv", "-H", "Expect: 100-continue", "--expect100-timeout", "60"]
    form = ["-F", f"file=@{tmp_path / 'large'}", "-F", "model=whisper-1"]
    address = f"{server.url}/v1/audio/transcriptions"
    done = subprocess.run([*command, *form, address], capture_output=True, text=True, timeout=60)
    assert "413" in done.stderr and "100 Continue" not in done.stderr
    assert "may have 4 MiB here" in done.stdout


@curl
def test_curl_sends_what_fits(server: Served, film: bytes, tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").write_bytes(film)
    command = ["curl", "-s", "-H", "Expect: 100-continue", "-F", f"file=@{tmp_path / 'talk.mp4'}"]
    address = f"{server.url}/v1/audio/transcriptions"
    done = subprocess.run([*command, address], capture_output=True, text=True, timeout=60)
    assert "three four" in done.stdout
