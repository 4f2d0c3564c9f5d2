"""What is played and drawn: the film in ranges, a copy for browsers, the waveform."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import numpy as np

from gptasr_subs.media.probe import probe
from gptasr_subs.server.page.peaks import moments
from tests.support.films import TALK_SECONDS
from tests.support.page_films import PageFilm


def test_the_film_in_ranges(talk: PageFilm) -> None:
    whole = talk.path.read_bytes()
    part = talk.get("media", headers={"range": "bytes=10-29"})
    assert part.status_code == 206 and part.content == whole[10:30]
    assert part.headers["content-range"] == f"bytes 10-29/{len(whole)}"
    assert talk.get("media").content == whole
    assert talk.get("media", headers={"range": f"bytes={len(whole)}-"}).status_code == 416


def test_a_copy_for_browsers(talk: PageFilm, tmp_path: Path) -> None:
    assert talk.get("proxy").status_code == 409
    deadline = time.monotonic() + 60
    while (state := talk.post("proxy").json())["state"] == "making":
        assert time.monotonic() < deadline and 0 <= state["done"] <= 1
    assert state == {"state": "ready", "done": 1.0}
    copy = tmp_path / "copy.webm"
    copy.write_bytes(talk.get("proxy").content)
    info = probe(copy)
    assert (info.video_codec, info.audio[0].codec) == ("vp8", "opus")
    assert abs(info.duration - TALK_SECONDS) < 0.2
    assert talk.get("proxy", headers={"range": "bytes=0-3"}).content == b"\x1a\x45\xdf\xa3"
    assert talk.post("proxy?kind=nix").status_code == 400


def test_a_copy_that_is_cancelled_leaves_nothing(talk: PageFilm) -> None:
    talk.post("proxy")
    address = f"{talk.server.url}/jobs/{talk.number}/proxy"
    assert talk.server.client.delete(address).status_code == 204
    left = [
        path for path in (talk.server.folder / "cache" / "page").iterdir() if ".tmp" in path.name
    ]
    assert left == [] and talk.get("proxy").status_code == 409


def test_the_waveform(talk: PageFilm) -> None:
    first = talk.get("peaks")  # computed
    again = talk.get("peaks?per_second=50")  # of the cache
    assert first.content == again.content and "content-range" not in first.headers
    pairs = np.frombuffer(first.content, np.int8).reshape(-1, 2)
    assert abs(len(pairs) - 50 * TALK_SECONDS) <= 5
    assert (pairs[:, 0] <= pairs[:, 1]).all()
    loud = pairs[:, 1] - pairs[:, 0].astype(int) > 20
    assert loud[52:68].all() and not loud[:45].any()  # the first word, from 1.0 to 1.4 s
    assert talk.get("peaks?per_second=7").status_code == 400


def test_moments_hold_the_least_and_the_greatest_sample() -> None:
    samples = np.array([0, 0.5, -1, 0.25, 1], np.float32)
    assert np.frombuffer(moments(samples, 2), np.int8).tolist() == [0, 64, -127, 32, 127, 127]


def test_a_film_that_is_gone(talk: PageFilm) -> None:
    talk.get("document")
    talk.path.unlink()
    assert talk.get("media").status_code == 404 and talk.get("peaks").status_code == 404
    document = talk.get("document").json()
    assert document["media"]["kind"] == "none" and document["cues"]


def test_a_file_that_browsers_play_needs_no_copy(talk: PageFilm) -> None:
    sound = talk.path.with_suffix(".flac")
    command = ["ffmpeg", "-v", "error", "-i", talk.path, "-vn", sound]
    subprocess.run(command, check=True)
    number = talk.server.post("/jobs", json={"path": str(sound)}).json()["id"]
    talk.server.get(f"/jobs/{number}/events")
    media = PageFilm(talk.server, number, sound).get("document").json()["media"]
    assert media["kind"] == "native" and not media["has_video"]
