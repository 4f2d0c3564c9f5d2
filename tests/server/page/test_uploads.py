"""Films that come in pieces, folders to choose films from, and jobs that are begun again."""

from __future__ import annotations

from pathlib import Path

from tests.support.films import make_film
from tests.support.page_films import begin_film, events_of
from tests.support.served import Served


def patch(server: Served, number: str, offset: int, data: bytes) -> tuple[int, str]:
    address = f"{server.url}/uploads/{number}"
    answer = server.client.patch(address, content=data, headers={"upload-offset": str(offset)})
    return answer.status_code, answer.headers.get("upload-offset", "")


def test_an_upload_goes_on_where_it_was(server: Served, film: bytes) -> None:
    facts = {"name": "../My film.mp4", "size": len(film)}
    number = server.post("/uploads", json=facts).json()["id"]
    half = len(film) // 2
    assert patch(server, number, 0, film[:half]) == (204, str(half))
    assert patch(server, number, 0, film)[0] == 409
    assert server.post("/jobs", json={"upload": number}).status_code == 409
    offset = server.client.head(f"{server.url}/uploads/{number}").headers["upload-offset"]
    assert int(offset) == half
    assert patch(server, number, half, film[half:]) == (204, str(len(film)))
    made = server.post("/jobs", json={"upload": number})
    assert made.status_code == 201 and made.json()["file"] == "My film.mp4"
    job = made.json()["id"]
    assert "path" not in made.json() and events_of(server, job)[-1][1]["state"] == "done"
    assert server.get(f"/jobs/{job}/media").content == film  # kept until the job is deleted
    assert server.client.delete(f"{server.url}/jobs/{job}").status_code == 200
    assert server.get(f"/jobs/{job}").status_code == 404
    assert [*(server.folder / "data" / "films").rglob("My film*")] == []


def test_uploads_that_are_not_taken(server: Served) -> None:
    assert server.post("/uploads", json={"name": "x.mp4", "size": 5 << 20}).status_code == 413
    assert server.post("/uploads", json={"name": "x.mp4"}).status_code == 400
    number = server.post("/uploads", json={"name": "x.mp4", "size": 7}).json()["id"]
    assert patch(server, number, 0, b"12345678")[0] == 413
    assert patch(server, "../queue-1", 0, b"1")[0] == 404
    assert patch(server, "0" * 32, 0, b"1")[0] == 404
    assert server.client.delete(f"{server.url}/uploads/{number}").status_code == 204
    assert server.client.head(f"{server.url}/uploads/{number}").status_code == 404


def test_what_is_no_film_is_refused_and_removed(server: Served) -> None:
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n#EXT-X-ENDLIST\n"
    facts = {"name": "x.m3u8", "size": len(playlist)}
    number = server.post("/uploads", json=facts).json()["id"]
    patch(server, number, 0, playlist)
    assert server.post("/jobs", json={"upload": number}).status_code == 415
    assert [*(server.folder / "data" / "films").rglob("x.m3u8")] == []


def test_folders_are_those_of_root(server: Served) -> None:
    films = server.folder / "films"
    (films / "Season 1").mkdir()
    make_film(films / "Season 1" / "e1.wav")
    roots = server.get("/folders").json()
    assert [folder["path"] for folder in roots["folders"]] == [str(films)]
    top = server.get("/folders", params={"path": str(films)}).json()
    assert "Season 1" in [folder["name"] for folder in top["folders"]] and top["parent"] == ""
    below = server.get("/folders", params={"path": str(films / "Season 1")}).json()
    assert below["parent"] == str(films)
    assert below["files"] == [
        {"name": "e1.wav", "path": str(films / "Season 1" / "e1.wav"), "has_subtitles": False}
    ]
    for path in (films.parent, films / "..", films / "nix", "\0", "/"):
        assert server.get("/folders", params={"path": str(path)}).status_code == 403, path


def test_a_job_is_begun_again(server: Served) -> None:
    film = begin_film(server, server.folder / "films" / "again.mkv")
    film.path.with_suffix(".en.srt").unlink()
    assert film.post("retry").json()["state"] == "waiting"
    assert events_of(server, film.number)[-1][1]["state"] == "done"
    assert film.path.with_suffix(".en.srt").exists()
    Path(film.path).unlink()
    assert film.post("retry").status_code == 409
