"""Manifests, and scores of many clips with a recogniser whose every word is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gptasr_subs.corpora.manifest import Clip, read_transcribed
from gptasr_subs.errors import FormatError, MediaError
from gptasr_subs.evaluation.clips import to_tsv, transcribe_clips
from gptasr_subs.evaluation.evaluate import evaluate
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import make_film

SHORT = [(0.5, "one"), (1.0, "two")]
LONG = [
    (1.0 + 10 * n, word) for n, word in enumerate(["one", "two", "three", "four"])
]  # three pauses of 9.6 s


@pytest.fixture
def short(tmp_path: Path) -> Path:
    return make_film(tmp_path / "short.wav", SHORT, 2.0)


@pytest.fixture
def long(tmp_path: Path) -> Path:
    return make_film(tmp_path / "long.wav", LONG, 35.0)


def manifest(folder: Path, text: str) -> Path:
    path = folder / "clips.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def said(file: Path, text: str, speaker: str = "", **where: Any) -> Clip:
    return Clip(file, text=text, speaker=speaker, **where)


def test_paths_of_a_manifest_are_relative_to_it(
    tmp_path: Path,
) -> None:
    path = manifest(
        tmp_path,
        'seconds\ttext\tpath\tspeaker\n2.5\tsay "hi", it\'s\ta b/c.wav\tann\n\n1\t\td.wav\t\n',
    )
    assert read_transcribed(path) == [
        said(tmp_path / "a b" / "c.wav", 'say "hi", it\'s', "ann", seconds=2.5, source="clips"),
        said(tmp_path / "d.wav", "", seconds=1.0, source="clips"),
    ]


def test_a_corpus_in_the_format_of_the_training_is_read(tmp_path: Path) -> None:
    """A folder with a manifest whose clips lie one after the other in a shard."""
    lines = [
        "file\toffset\tseconds\tspeaker\ttext",
        "a.flac\t0.0\t1.5\tann\tSo.",
        "a.flac\t1.5\t2\tbob\tNo.",
    ]
    (tmp_path / "manifest.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert read_transcribed(tmp_path) == [
        said(tmp_path / "a.flac", "So.", "ann", seconds=1.5, source="manifest"),
        said(tmp_path / "a.flac", "No.", "bob", offset=1.5, seconds=2.0, source="manifest"),
    ]
    (tmp_path / "manifest.tsv").write_text(
        "file\ttext\toffset\tseconds\na.flac\tSo.\t1\tlong\n", encoding="utf-8"
    )
    with pytest.raises(FormatError, match="no number"):
        read_transcribed(tmp_path)


def test_a_manifest_of_windows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "clips.tsv"
    path.write_bytes("path\ttext\r\na.wav\tZoë\r\n".encode("utf-8-sig"))
    assert read_transcribed(path) == [said(tmp_path / "a.wav", "Zoë", source="clips")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no column 'text'"),
        ("a.wav\thello\n", "no column 'text'"),
        ("path\tspeaker\na.wav\tann\n", "no column 'text'"),
        ("path\ttext\n", "lists no clips"),
        ("path\ttext\na.wav\tone\nb.wav\n", "line 3 has 1 columns instead of 2"),
        ("path\ttext\na.wav\tone\ttwo\n", "line 2 has 3 columns instead of 2"),
    ],
)
def test_a_manifest_that_cannot_be_understood_says_where(
    text: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(FormatError, match=reason) as error:
        read_transcribed(manifest(tmp_path, text))
    assert "clips.tsv" in str(error.value) and "\n" not in str(error.value)


def test_a_missing_manifest_is_said(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="could not be read"):
        read_transcribed(tmp_path / "nix.tsv")


def test_short_clips_are_recognised_whole_and_in_one_batch(short: Path, tmp_path: Path) -> None:
    recognizer, done = FakeRecognizer(), []
    # no segmentation: what is said in a clip is a matter of the model
    quiet = make_film(tmp_path / "quiet.wav", [], 3.0)
    found = transcribe_clips(
        map(Clip, [short, quiet, short]), recognizer, batch_size=7, beams=2, on_progress=done.append
    )
    assert [transcript.text for transcript in found] == ["one two", "", "one two"]
    assert [transcript.seconds for transcript in found] == pytest.approx([2.0, 3.0, 2.0], abs=0.01)
    assert recognizer.asked == [{"clips": 3, "batch_size": 7, "beams": 2}]
    assert recognizer.clip_seconds == pytest.approx([2.0, 3.0, 2.0], abs=0.01)
    assert done == [1, 2, 3]


def test_long_clips_are_split_at_their_pauses_and_their_text_joined(
    long: Path, short: Path
) -> None:
    recognizer = FakeRecognizer()
    found = transcribe_clips(map(Clip, [long, short]), recognizer)
    assert [transcript.text for transcript in found] == ["one two three four", "one two"]
    assert len(recognizer.clip_seconds) == 5 and max(recognizer.clip_seconds) < 16
    assert found[0].seconds == pytest.approx(35.0, abs=0.01)


def test_a_file_that_cannot_be_read_keeps_its_place(short: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("no sound")
    found = transcribe_clips(
        map(Clip, [tmp_path / "bad.wav", short, tmp_path / "gone.wav"]), FakeRecognizer()
    )
    assert [transcript.text for transcript in found] == ["", "one two", ""]
    assert [type(transcript.error) for transcript in found] == [MediaError, type(None), MediaError]
    assert to_tsv(found, tmp_path) == "path\ttext\nshort.wav\tone two\n"


def test_names_cannot_break_the_lines_of_a_tsv(tmp_path: Path) -> None:
    path = make_film(tmp_path / "new\nline\tand tab.wav", SHORT, 2.0)
    assert to_tsv(transcribe_clips(map(Clip, [path]), FakeRecognizer()), tmp_path) == (
        "path\ttext\nnew\\nline\\tand tab.wav\tone two\n"
    )


def test_scores_are_of_all_clips_and_of_each_speaker(short: Path, long: Path) -> None:
    clips = [
        said(short, "One, two!", "ann"),
        said(short, "one three", "bob"),
        said(long, "one two three four five six", "bob"),
        said(short, "", ""),
    ]
    found = evaluate(clips, FakeRecognizer())
    assert (
        found.total.words,
        found.total.substitutions,
        found.total.deletions,
        found.total.insertions,
    ) == (
        10,
        1,
        2,
        2,
    )
    assert found.total.wer == pytest.approx(50.0)
    assert list(found.speakers) == ["bob", "ann"]
    assert found.speakers["bob"].wer == pytest.approx(37.5) and found.speakers["ann"].wer == 0
    low, high = found.interval
    assert low < 50 < high
    assert found.seconds == pytest.approx(41.0, abs=0.05)
    assert found.rtfx == pytest.approx(found.seconds / found.elapsed)
    assert [scored.clip for scored in found.worst(2)] == [clips[3], clips[2]]
    assert len(found.worst(10)) == 3  # the clip without an error is no bad one


def test_case_and_punctuation_count_only_where_the_manifest_has_them(short: Path) -> None:
    written = evaluate([said(short, "One two.")], FakeRecognizer())
    assert written.total.wer == 0.0
    assert written.formatted_total is not None and written.formatted_total.wer == 100.0
    assert evaluate([said(short, "one two")], FakeRecognizer()).formatted_total is None


def test_a_set_without_case_or_marks_has_no_score_as_written(short: Path) -> None:
    mixed = evaluate(
        [said(short, "One two."), said(short, "ONE TWO"), said(short, "one two")], FakeRecognizer()
    )
    assert mixed.formatted_total is not None and mixed.formatted_total.words == 2
    assert evaluate([said(short, "ONE TWO")], FakeRecognizer()).formatted_interval is None


def test_clips_are_cut_out_of_their_file(long: Path) -> None:
    clips = [
        said(long, "two three", offset=10.5, seconds=11.3),
        said(long, "four", offset=30.5, seconds=3.5),
    ]
    clips.append(said(long, "one two three four"))
    recognizer = FakeRecognizer()
    found = evaluate(clips, recognizer)
    assert [scored.text for scored in found.clips] == [clip.text for clip in clips]
    assert [scored.seconds for scored in found.clips] == pytest.approx([11.3, 3.5, 35.0], abs=0.01)


def test_what_cannot_be_read_is_named_and_not_scored(short: Path, tmp_path: Path) -> None:
    found = evaluate(
        [said(short, "one two"), said(tmp_path / "gone.wav", "three")], FakeRecognizer()
    )
    assert found.total.words == 2 and found.total.wer == 0.0
    assert len(found.failures) == 1 and "gone.wav" in str(found.failures[0])
    assert found.to_dict()["failed"] == [str(found.failures[0])]


def test_where_nothing_can_be_read_there_is_no_score(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"gone\.wav"):
        evaluate([said(tmp_path / "gone.wav", "three")], FakeRecognizer())


def test_everything_is_in_the_plain_values(short: Path) -> None:
    found = evaluate([said(short, "one three", "ann")], FakeRecognizer())
    plain = found.to_dict()
    assert plain["wer"] == 50.0 and plain["interval"] == [50.0, 50.0] and plain["clips"] == 1
    assert plain["speakers"]["ann"] == {
        "wer": 50.0, "errors": 1, "words": 2, "substitutions": 1, "deletions": 0, "insertions": 0,
    }  # fmt: skip
    assert plain["worst"][0]["said"] == "one three" and plain["worst"][0]["written"] == "one two"
    assert plain["wer_with_case_and_punctuation"] is None and plain["model"] == "fake"
    assert plain["interval_with_case_and_punctuation"] is None
