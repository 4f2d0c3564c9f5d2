"""A server that is killed in mid-edit loses nothing that it acknowledged."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import httpx
import pytest

from gptasr_subs.formats import read
from gptasr_subs.server.page.cues import NamedCue
from gptasr_subs.server.page.versions import Film, Outdated, open_edits
from gptasr_subs.types import Cue
from tests.support.page_films import PageFilm, begin_film
from tests.support.served import served


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    kept = socket.fromfd(listener.fileno(), listener.family, listener.type)
    acknowledged: list[str] = [""]
    enough = threading.Event()
    with served(tmp_path, "--root", tmp_path, listener=listener) as server:
        film = begin_film(server, tmp_path / "film.mkv")
        [cue, *others] = film.cues

        def edit() -> None:
            for version in range(1, 1000):
                text = f"Edit {version}"
                try:
                    answer = film.put([{**cue, "text": text}, *others], version)
                except httpx.HTTPError:
                    return
                assert answer.headers["etag"] == f'"{version + 1}"'
                acknowledged.append(text)
                if version == 8:
                    enough.set()

        editor = threading.Thread(target=edit)
        editor.start()
        assert enough.wait(60)
        server.process.kill()
        editor.join()
        server.process.wait()

    with served(tmp_path, "--root", tmp_path, listener=kept) as server:
        again = PageFilm(server, film.number, film.path)
        newest = again.get("document").json()
        assert newest["version"] in (len(acknowledged), len(acknowledged) + 1)
        for version, text in enumerate(acknowledged[1:], start=2):
            cues = again.get(f"versions/{version}").json()["cues"]
            assert cues == [{**cue, "text": text}, *others]
        first = again.get("versions/1").json()["cues"]  # undo over sessions
        assert first == [cue, *others]
        assert again.put(first, newest["version"]).status_code == 200
        assert [cue["text"] for cue in again.cues] == [cue["text"] for cue in first]
        assert len(read(film.path.with_suffix(".en.srt"))) == len(first)


def test_versions_are_stored_as_what_changed(tmp_path: Path) -> None:
    cues = [NamedCue(number, Cue(number, number + 1, ("text",))) for number in range(2000)]
    path = tmp_path / "edits.sqlite3"
    saved = []
    with open_edits(path) as edits:
        edits.begin(1, Film("film", "en", 2000.0, None, ()), cues)
        for version in range(1, 130):
            place = version * 7
            cues[place] = NamedCue(place, Cue(place, place + 1, (f"edit {version}",)))
            if version % 10 == 0:
                del cues[0]
            assert edits.save(1, version, cues) == version + 1
            saved.append(tuple(cues))
        with pytest.raises(Outdated):
            edits.save(1, 5, cues)
    with open_edits(path) as edits:
        for version in (2, 64, 65, 66, 128, 130):
            found = edits.version(1, version)
            assert found and found.cues == saved[version - 2]
        assert edits.version(1, 131) is None and len(edits.history(1)) == 130
        assert edits.version(2, 1) is None
        edits.forget(1)
        assert edits.newest(1) == 0
    assert path.stat().st_size < 1 << 20
