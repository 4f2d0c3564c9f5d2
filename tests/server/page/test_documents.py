"""The text of a film: read, saved in versions, checked and fixed by the norms."""

from __future__ import annotations

from gptasr_subs.cues.lint import lint
from gptasr_subs.formats import read
from tests.support.films import SPOKEN, make_film
from tests.support.page_films import PageFilm, events_of


def test_a_document_has_all_that_the_page_shows(talk: PageFilm) -> None:
    answer = talk.get("document")
    document = answer.json()
    assert answer.headers["etag"] == '"1"' and document["version"] == 1
    assert [word["text"] for word in document["words"]] == SPOKEN.split()
    assert " ".join(cue["text"] for cue in document["cues"]).split() == SPOKEN.split()
    assert 7.9 < document["duration"] < 8.1 and document["norms"]["max_chars"] == 42
    assert document["media"]["has_video"] and document["media"]["kind"] == "native"
    assert talk.get("document", headers={"if-none-match": '"1"'}).status_code == 304


def test_text_comes_while_a_film_is_recognised(talk: PageFilm) -> None:
    told = [facts["text"] for name, facts in events_of(talk.server, talk.number) if name == "text"]
    assert " ".join(told) == SPOKEN


def test_each_save_is_a_version_and_in_the_file_beside_the_film(talk: PageFilm) -> None:
    cues = talk.cues
    cues[0]["text"] = "Changed."
    saved = talk.put(cues, 1)
    assert saved.status_code == 200 and saved.headers["etag"] == '"2"'
    assert read(talk.path.with_suffix(".en.srt"))[0].text == "Changed."
    assert "Changed." in talk.get("subtitles.vtt").text
    cues.append({"id": "n1", "start": 7.0, "end": 7.9, "text": "<i>New</i>\nline"})
    assert talk.put(cues, 2).json()["version"] == 3
    assert talk.cues == cues
    history = talk.get("versions").json()["versions"]
    assert [(row["version"], row["cues"]) for row in history] == [
        (1, len(cues) - 1),
        (2, len(cues) - 1),
        (3, len(cues)),
    ]
    assert talk.get("versions/1").json()["cues"][0]["text"] != "Changed."
    assert talk.get("versions/4").status_code == 404


def test_two_tabs_do_not_overwrite_each_other(talk: PageFilm) -> None:
    cues = talk.cues
    assert talk.put([{**cues[0], "text": "One tab"}], 1).status_code == 200
    late = talk.put([{**cues[0], "text": "The other"}], 1)
    assert late.status_code == 412 and late.headers["etag"] == '"2"'
    assert late.json()["cues"][0]["text"] == "One tab" and late.json()["error"]
    address = f"{talk.server.url}/jobs/{talk.number}/document"
    assert talk.server.client.put(address, json={"cues": []}).status_code == 428


def test_cues_that_cannot_be_are_refused(talk: PageFilm) -> None:
    cue = talk.cues[0]
    for broken in (
        [{**cue, "start": "x"}],
        [{**cue, "end": 1e300}],
        [{**cue, "text": None}],
        [cue, cue],
        [7],
        None,
    ):
        answer = talk.put(broken, 1)  # type: ignore[arg-type]
        assert answer.status_code == 400 and answer.json()["error"].endswith("."), broken


def test_lint_and_fix_are_those_of_the_command(talk: PageFilm) -> None:
    cues = [
        {"id": 1, "start": 1.0, "end": 1.5, "text": "This is far too much to be read so soon"},
        {"id": "b", "start": 1.2, "end": 4.0, "text": "Shown together"},
        {"id": 3, "start": 5.0, "end": 7.0, "text": "Nothing is wrong here."},
    ]
    faults = talk.post("lint", json={"cues": cues}).json()["faults"]
    assert (1, "too-fast") in {(fault["cue"], fault["rule"]) for fault in faults}
    assert all(fault["cue"] != 3 and fault["message"] for fault in faults)
    fixed = talk.post("fix", json={"cues": cues}).json()["cues"]
    assert cues[2] in fixed and len({str(cue["id"]) for cue in fixed}) == len(fixed)
    assert talk.put(fixed, 1).status_code == 200
    assert not lint(read(talk.path.with_suffix(".en.srt"))).errors


def test_a_film_that_was_subtitled_elsewhere(talk: PageFilm) -> None:
    sidecar = talk.path.with_suffix(".en.srt")
    sidecar.write_text("1\n00:00:01,000 --> 00:00:03,000\nBy hand.\n")
    number = talk.server.post("/jobs", json={"path": str(talk.path)}).json()["id"]
    assert events_of(talk.server, number)[-1][1]["state"] == "skipped"
    other = PageFilm(talk.server, number, talk.path)
    document = other.get("document").json()
    assert [cue["text"] for cue in document["cues"]] == ["By hand."]
    assert [word["text"] for word in document["words"]] == SPOKEN.split()  # of the journal
    assert other.put([], 1).status_code == 200
    assert "By hand." in sidecar.with_name(f"{sidecar.name}.bak").read_text()


def test_a_film_that_is_recognised_once_more_keeps_what_was_edited(talk: PageFilm) -> None:
    sidecar = talk.path.with_suffix(".en.srt")
    first = talk.cues
    mended = [{**first[0], "text": "Mended by hand"}, *first[1:]]
    assert talk.put(mended, 1).status_code == 200
    make_film(talk.path, [(1.0, "three"), (2.5, "one")])
    sidecar.unlink()
    talk.post("retry")
    assert events_of(talk.server, talk.number)[-1][1]["state"] == "done"
    while (document := talk.get("document").json())["version"] < 4:
        pass
    assert document["cues"] == mended
    offered = talk.get("versions/3").json()["cues"]
    assert " ".join(cue["text"] for cue in offered).split() == ["three", "one"]
    while read(sidecar)[0].text != "Mended by hand":
        pass


def test_a_film_that_nobody_edited_has_its_newest_recognition(talk: PageFilm) -> None:
    assert len(talk.cues) == 2
    make_film(talk.path, [(1.0, "three"), (2.5, "one")])
    talk.path.with_suffix(".en.srt").unlink()
    talk.post("retry")
    assert events_of(talk.server, talk.number)[-1][1]["state"] == "done"
    while " ".join(cue["text"] for cue in talk.cues).split() != ["three", "one"]:
        pass
    assert [word["text"] for word in talk.get("document").json()["words"]] == ["three", "one"]
