"""The review queue over HTTP, words to expect, windows that are read again, corrections."""

from __future__ import annotations

import base64
import io
import json
import wave

from tests.support.films import SPOKEN
from tests.support.page_films import PageFilm


def test_the_queue_leaves_out_what_was_heard_or_changed(talk: PageFilm) -> None:
    bill = talk.get("review").json()
    assert bill["stops"] and 0 < bill["covered"] <= bill["expected_errors"] < 5
    first = bill["stops"][0]
    assert first["text"] in SPOKEN and first["words"][0] <= first["word"] <= first["words"][1]
    assert talk.get("review?minutes=0").json()["stops"] == []
    heard = talk.post("review", json={"heard": [0, 1, 2]}).json()["heard"]
    assert heard == [0, 1, 2]
    cues = talk.cues
    cues[-1]["text"] = cues[-1]["text"].replace("Five.", "Mended.")
    assert talk.put(cues, 1).status_code == 200
    left = talk.get("review").json()
    assert {stop["word"] for stop in left["stops"]} <= {3}
    for broken in ({"heard": [99]}, {"heard": "x"}, {}):
        assert talk.post("review", json=broken).status_code == 400
    assert talk.get("review?minutes=x").status_code == 400


def test_a_term_is_expected_when_the_film_is_read_again(talk: PageFilm) -> None:
    assert talk.post("glossary", json={"term": "a\nb"}).status_code == 400
    assert talk.post("glossary", json={"term": "R2-D2"}).status_code == 400  # not readable
    assert talk.post("glossary", json={"term": "Siobhan"}).json() == {"terms": ["Siobhan"]}
    assert talk.post("reread").json() == {"changes": []}
    assert "Siobhan" in (talk.server.folder / "terms").read_text()
    terms = talk.post("glossary", json={"term": "Tao | two"}).json()["terms"]
    assert terms == ["Siobhan", "Tao | two"]
    [change] = talk.post("reread").json()["changes"]
    assert (change["before"], change["after"]) == ("two", "Tao")
    assert abs(change["start"] - 1.5) < 0.1 and abs(change["end"] - 1.9) < 0.1
    cues = talk.cues
    cues[0]["text"] = cues[0]["text"].replace("two", "too")
    assert talk.put(cues, 1).status_code == 200
    assert talk.post("reread").json() == {"changes": []}  # what was edited stays


def test_corrections_are_a_corpus(talk: PageFilm) -> None:
    assert talk.get("corrections.jsonl").text == ""
    cues = talk.cues
    before = " ".join(cues[0]["text"].split())
    cues[0]["text"] = "Mended."
    talk.put(cues, 1)
    [line] = talk.get("corrections.jsonl").text.splitlines()
    assert json.loads(line) == {
        "start": cues[0]["start"],
        "end": cues[0]["end"],
        "before": before,
        "after": "Mended.",
    }
    [line] = talk.get("corrections.jsonl?audio").text.splitlines()
    with wave.open(io.BytesIO(base64.b64decode(json.loads(line)["audio"]))) as sound:
        seconds = sound.getnframes() / sound.getframerate()
    assert abs(seconds - (cues[0]["end"] - cues[0]["start"])) < 0.01
