"""The queue over HTTP: the same jobs as on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gptasr_subs.jobs.queue import open_queue
from tests.support.films import SPOKEN, make_film
from tests.support.served import Served


def until_over(server: Served, number: int) -> list[dict[str, object]]:
    """The job as its events tell of it."""
    text = server.get(f"/jobs/{number}/events").text
    return [
        json.loads(line.removeprefix("data: ")) for line in text.split("\n") if "data: " in line
    ]


def test_an_upload_is_a_job_like_others(server: Served, film: bytes) -> None:
    files = {"file": ("../../Übung: 1.mp4", film)}
    made = server.post("/jobs", data={"formats": "srt,json"}, files=files)
    assert made.status_code == 201
    number = made.json()["id"]
    assert made.json()["file"] == "Übung_ 1.mp4" and "path" not in made.json()
    with open_queue(server.folder / "data" / "queue-1.sqlite3") as queue:
        assert queue.get(number).options["formats"] == ["srt", "json"]
    assert until_over(server, number)[-1]["state"] == "done"
    done = server.get("/jobs", params={"state": "done"}).json()["jobs"]
    assert number in [job["id"] for job in done]
    for format in ("srt", "vtt", "ass", "json", "txt", "ttml"):
        answer = server.get(f"/jobs/{number}/subtitles.{format}")
        assert answer.status_code == 200 and "three" in answer.text, format
    assert all(path.suffix in (".srt", ".json") for path in server.job_uploads)  # the film is gone
    assert server.client.delete(f"{server.url}/jobs/{number}").status_code == 200
    assert server.get(f"/jobs/{number}/subtitles.srt").status_code == 404
    assert server.job_uploads == []


def test_a_path_below_a_root(server: Served) -> None:
    film = make_film(server.folder / "films" / "path.wav")
    made = server.post("/jobs", json={"path": str(film), "formats": ["vtt"]}).json()
    assert made["path"] == str(film)
    assert until_over(server, made["id"])[-1]["state"] == "done"
    assert SPOKEN.split()[0] in film.with_name("path.en.vtt").read_text()
    assert film.exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "films/../../x", "{films}/nix.mkv", "", "a\0b", 7])
def test_no_other_path(server: Served, path: object) -> None:
    name = str(path).format(films=server.folder / "films") if isinstance(path, str) else path
    answer = server.post("/jobs", json={"path": name})
    assert answer.status_code in (400, 403) and answer.json()["error"].endswith(".")


def test_a_link_out_of_a_root(server: Served, tmp_path: Path) -> None:
    link = server.folder / "films" / "away.wav"
    link.symlink_to(make_film(tmp_path / "away.wav"))
    assert server.post("/jobs", json={"path": str(link)}).status_code == 403


@pytest.mark.parametrize(
    "job",
    [
        {"formats": ["pdf"]},
        {"formats": 3},
        {"formats": []},
        {"priority": "high"},
        {"priority": 1e99},
        {"language": "../x"},
    ],
)
def test_what_there_is_not_is_refused(server: Served, job: dict[str, object]) -> None:
    path = str(server.folder / "films" / "talk.mkv")
    answer = server.post("/jobs", json={"path": path, **job})
    assert answer.status_code == 400 and answer.json()["error"]


def test_a_job_that_is_deleted_stops_within_a_window(server: Served) -> None:
    talk = [(1.5 * n + 1, "one") for n in range(12)]
    film = make_film(server.folder / "films" / "long.wav", talk, 19.0)
    before = len(server.windows)
    server.close_gate()
    number = server.post("/jobs", json={"path": str(film)}).json()["id"]
    server.pass_window()
    assert server.get(f"/jobs/{number}").json()["state"] == "running"
    assert server.get(f"/jobs/{number}/subtitles.srt").status_code == 409
    gone = server.client.delete(f"{server.url}/jobs/{number}").json()
    assert gone["state"] == "cancelled"
    server.open_gate()
    assert until_over(server, number)[-1]["state"] == "cancelled"
    assert server.get("/healthz").json()["status"] == "ok"
    assert len(server.windows) < before + len(talk)
    assert not film.with_name("long.en.srt").exists()


def test_jobs_that_there_are_not(server: Served) -> None:
    assert server.get("/jobs/99999").status_code == 404
    assert server.get(f"/jobs/{10**30}").status_code == 404
    assert server.client.delete(f"{server.url}/jobs/99999").status_code == 404
    assert server.get("/jobs", params={"state": "nix"}).status_code == 400
