"""What Bazarr's provider sends, and that it is never given what it must not get."""

from __future__ import annotations

import json
import socket
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.support.bazarr import (
    ask_as_bazarr,
    detect_as_bazarr,
    no_subtitle,
    samples,
    spoken,
)
from tests.support.films import SPOKEN, make_film
from tests.support.served import Served, served

QUERY = "/asr?task=transcribe&language=en&output=srt&encode=false"


def post(server: Served, path: str, audio: bytes) -> httpx.Response:
    """As requests does: the whole form in one piece, the part without a type."""
    return server.post(
        path,
        files={"audio_file": ("audio_file", audio, None)},
        headers={"user-agent": "Subliminal/2.1"},
    )


def test_audio_without_a_container_becomes_an_srt(server: Served, pcm: bytes) -> None:
    answer = post(server, QUERY, pcm)
    assert (answer.status_code, spoken(answer.text)) == (200, SPOKEN)
    assert answer.headers["content-type"].startswith("text/plain")


def test_containers_and_other_outputs(server: Served, film: bytes) -> None:
    answers = {
        output: post(server, f"/asr?output={output}&encode=true", film).text
        for output in ("txt", "vtt", "tsv", "json")
    }
    assert answers["txt"].split() == SPOKEN.split()
    assert answers["vtt"].lstrip().startswith("WEBVTT\n\n") and "one two three" in answers["vtt"]
    assert answers["tsv"].lstrip().startswith("start\tend\ttext\n")
    facts = json.loads(answers["json"])
    assert facts["text"] == SPOKEN and facts["language"] == "en"
    assert [part["text"] for part in facts["segments"]] == ["one two three", "four Five."]
    assert {"start", "end", "speaker"} <= facts["segments"][0].keys()


def test_a_film_that_is_here_too_is_read_here(server: Served) -> None:
    answer = post(server, f"{QUERY}&video_file=%2Ffilms%2Ftalk.mkv", b"nothing of use")
    assert spoken(answer.text) == SPOKEN


@pytest.mark.parametrize(
    "name", ["/films/../secret.mkv", "/films/link.mkv", "/other/talk.mkv", "/films/" + 9000 * "x"]
)
def test_a_film_outside_the_folders_is_not_read(server: Served, pcm: bytes, name: str) -> None:
    make_film(server.folder / "secret.mkv", [(1.0, "Six.")], 2.0)
    link = server.folder / "films" / "link.mkv"
    link.unlink(missing_ok=True)
    link.symlink_to(server.folder / "secret.mkv")
    answer = post(server, f"{QUERY}&video_file={quote(name, safe='')}", pcm)
    assert spoken(answer.text) == SPOKEN


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("task=translate&language=en&output=srt", "does not translate"),
        ("task=transcribe&language=de&output=srt", "knows English; it was asked for 'de'"),
        ("output=pdf", "There is no output 'pdf'"),
    ],
)
def test_what_cannot_be_done_is_said(server: Served, pcm: bytes, query: str, sentence: str) -> None:
    answer = post(server, f"/asr?encode=false&{query}", pcm)
    assert answer.status_code == 422 and sentence in answer.text
    assert answer.text.count("\n") == 1 and not answer.text.startswith("{")


def test_silence_is_never_an_empty_subtitle(server: Served) -> None:
    answer = post(server, QUERY, bytes(64000))
    no_subtitle(answer.text)
    assert "Nobody speaks" in answer.text


def test_an_empty_upload_and_one_that_is_no_media(server: Served) -> None:
    assert post(server, QUERY, b"").status_code == 400
    answer = post(server, "/asr?output=srt&encode=true", b"no media at all" * 99)
    assert answer.status_code in (200, 422)
    no_subtitle(answer.text)
    assert str(server.folder) not in answer.text


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{film}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {film}\n",
    ],
)
def test_an_upload_opens_no_other_file(server: Served, playlist: str) -> None:
    text = playlist.format(film=server.folder / "films" / "talk.mkv")
    answer = post(server, "/asr?output=txt&encode=true", text.encode())
    assert answer.status_code == 415 and "one" not in answer.text.split()


def test_language_is_english_where_it_sounds_so_and_unsaid_else(server: Served, pcm: bytes) -> None:
    heard = post(server, "/detect-language?encode=false", pcm).json()
    assert heard == {"detected_language": "English", "language_code": "en"}
    silent = post(server, "/detect-language?encode=false", bytes(64000))
    assert silent.json() == {}


def test_status_says_the_version(server: Served) -> None:
    assert server.get("/status").json()["version"]


def test_a_refused_upload_is_read_to_its_end(server: Served, pcm: bytes) -> None:
    """A connection that is closed while Bazarr sends costs it a day."""
    body = b"--b\r\n" + bytes(16 << 20)  # more than sockets hold
    with socket.create_connection(server.listener.getsockname(), timeout=60) as connection:
        head = ["POST /asr?task=translate HTTP/1.1", "Host: localhost"]
        head += [f"Content-Length: {len(body)}", "Content-Type: multipart/form-data; boundary=b"]
        connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        connection.sendall(body)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 422 ")


def test_a_slow_film_and_its_twins_never_let_bazarr_wait(server: Served) -> None:
    server.close_gate()
    audio = samples([(1.0, "Six."), (2.0, "two")])
    answers: list[str | None] = []

    def ask() -> None:
        answers.append(ask_as_bazarr(server.url, audio, patience=2))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    windows, posts = len(server.windows), server.log.count("POST /asr")
    files = {"audio_file": audio}
    with server.client.stream("POST", server.url + QUERY, files=files, timeout=20) as answer:
        assert answer.status_code == 200
        parts = answer.iter_raw()
        assert [next(parts), next(parts)] == [b"\n", b"\n"]
        for thread in threads:  # twins of a film that is being recognised
            thread.start()
        while server.log.count("POST /asr") < posts + 4:
            assert next(parts) == b"\n"
        for _ in range(8):  # one every 0.3 s, so for longer than the twins are patient
            assert next(parts) == b"\n"
        server.open_gate()
        text = b"".join(parts).decode()
    for thread in threads:
        thread.join()
    assert [spoken(subtitle or "") for subtitle in [text, *answers]] == 4 * ["Six. two"]
    assert len(server.windows) == windows + 1


def test_bazarr_asks_again_where_it_is_given_nothing(server: Served, pcm: bytes) -> None:
    subtitle = ask_as_bazarr(server.url, pcm)
    assert subtitle and spoken(subtitle) == SPOKEN
    translated = "/asr?task=translate&language=de&output=srt&encode=false"
    german = "/asr?task=transcribe&language=de&output=srt&encode=false"
    assert ask_as_bazarr(server.url, bytes(64000)) is None
    assert ask_as_bazarr(server.url, pcm, translated) is None
    assert ask_as_bazarr(server.url, pcm, german) is None
    assert ask_as_bazarr(server.url, b"") is None


def test_what_does_not_sound_like_english_has_no_language(server: Served) -> None:
    audio = samples([(1.0, "one"), (2.0, "four")])
    (server.folder / "confidence").write_text("0.45")
    assert detect_as_bazarr(server.url, audio) is None
    (server.folder / "confidence").unlink()
    assert detect_as_bazarr(server.url, b"") is None
    other = samples([(1.0, "four"), (2.0, "one")])
    assert detect_as_bazarr(server.url, other) == "English en"


def test_a_placeholder_stands_for_a_film_in_which_nobody_speaks(tmp_path: Path) -> None:
    with served(tmp_path, "--placeholder", "[no speech]") as server:
        subtitle = ask_as_bazarr(server.url, bytes(64000))
    assert subtitle and spoken(subtitle) == "[no speech]"


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
def test_a_full_disk_costs_bazarr_nothing(tmp_path: Path, pcm: bytes) -> None:
    """Files that may not grow stand for a disk that is full."""
    import resource  # where there is one

    with served(tmp_path) as server:
        allowed = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1 << 17, -1))
        assert ask_as_bazarr(server.url, pcm) is None
        assert detect_as_bazarr(server.url, pcm) is None
        assert "507" in server.log and server.uploads == []
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, allowed)
        subtitle = ask_as_bazarr(server.url, pcm)
        assert subtitle and spoken(subtitle) == SPOKEN
