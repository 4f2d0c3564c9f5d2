"""Pseudo-labels: recognised speech becomes a corpus, less what the recogniser is not sure of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gptasr_subs.corpora.audio import read_manifest
from gptasr_subs.corpora.manifest import read_rows
from gptasr_subs.corpora.pseudo_labels import LabelOptions, confidence, label
from gptasr_subs.errors import UsageError
from gptasr_subs.training.store import AudioStore
from gptasr_subs.types import FloatArray, Word
from tests.support.ended import train
from tests.support.fake_recognizer import FakeRecognizer, say
from tests.support.media_maker import RATE
from tests.support.tones import spoken


class Doubtful(FakeRecognizer):
    """Not sure of ``two``; interrupted where it is asked more often than ``calls``."""

    def __init__(self, calls: int = 99) -> None:
        super().__init__()
        self.calls = calls

    def transcribe(
        self, clips: Sequence[FloatArray], *, batch_size: int = 0, beams: int = 0
    ) -> Iterator[tuple[int, list[Word]]]:
        if len(self.asked) == self.calls:
            raise KeyboardInterrupt
        for index, words in super().transcribe(clips, batch_size=batch_size, beams=beams):
            yield (
                index,
                [Word(w.text, w.start, w.end, 0.3 if w.text == "two" else 0.9) for w in words],
            )


def recording(
    file: Path, words: Sequence[tuple[float, str]], seconds: float, rate: int = RATE
) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, say(words, seconds), rate)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    recording(folder / "a.wav", [(0.5, "one"), (1.2, "three")], 2.0)
    recording(folder / "b.wav", [(0.5, "two"), (1.2, "three")], 2.0)
    recording(folder / "c.wav", [], 2.0)
    (folder / "d.wav").write_bytes(b"no sound")
    soundfile.write(folder / "e.flac", say([(5.5, "four"), (9.0, "one")], 10.0), RATE)
    lines = ["file\tspeaker\tsource\tlicence\toffset\tseconds"]
    lines += [f"{name}.wav\tann\tradio\tCC0\t\t" for name in "abcdx"]
    lines += ["e.flac\tbob\tradio\tCC0\t5.0\t1.5", "e.flac\tbob\tradio\tCC0\t8.5\t1.5"]
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_clips_get_the_text_that_is_heard_and_keep_the_rest(corpus: Path, tmp_path: Path) -> None:
    recognizer = Doubtful()
    report = label(corpus, recognizer, tmp_path / "out", LabelOptions(0.8, batch_size=3, beams=2))
    clips = read_manifest(tmp_path / "out")
    assert [
        (c.file, c.offset, c.seconds, c.speaker, c.source, c.licence, c.text) for c in clips
    ] == [
        (corpus / "a.wav", 0.0, 2.0, "ann", "radio", "CC0", "one three"),
        (corpus / "e.flac", 5.0, 1.5, "bob", "radio", "CC0", "four"),
        (corpus / "e.flac", 8.5, 1.5, "bob", "radio", "CC0", "one"),
    ]
    assert [row["confidence"] for row in read_rows(tmp_path / "out")] == ["0.9000"] * 3
    assert recognizer.asked == [{"clips": 4, "batch_size": 3, "beams": 2}]
    dropped = {entry["reason"]: entry["clips"] for entry in report.to_dict()["dropped"]}
    assert dropped == {"confidence under 0.8": 1, "silence": 1, "unreadable": 1, "file missing": 1}


def test_without_a_limit_everything_that_is_heard_is_kept(corpus: Path, tmp_path: Path) -> None:
    label(corpus, Doubtful(), tmp_path / "out")
    assert [clip.text for clip in read_manifest(tmp_path / "out")] == [
        "one three",
        "two three",
        "four",
        "one",
    ]


def test_where_nothing_is_heard_the_clip_is_dropped(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "hiss.wav", rng.normal(0, 0.001, 2 * RATE), RATE)
    (tmp_path / "hiss.tsv").write_text("file\nhiss.wav\n", encoding="utf-8")
    report = label(tmp_path / "hiss.tsv", Doubtful(), tmp_path / "out")
    assert [entry["reason"] for entry in report.to_dict()["dropped"]] == ["nothing recognised"]


def test_a_long_recording_becomes_several_clips(tmp_path: Path) -> None:
    words = [(1.0 + 10 * n, word) for n, word in enumerate(["one", "three", "four", "one"])]
    recording(tmp_path / "raw" / "long.wav", words, 40.0)
    (tmp_path / "raw" / "manifest.tsv").write_text("file\nlong.wav\n", encoding="utf-8")
    label(tmp_path / "raw", FakeRecognizer(), tmp_path / "out")
    clips = read_manifest(tmp_path / "out")
    assert [clip.text for clip in clips] == [word for _, word in words]
    for clip, (start, _) in zip(clips, words, strict=True):
        assert clip.offset <= start < start + 0.4 <= clip.offset + clip.seconds
        assert clip.seconds < 2
    # it is known, and is not recognised again
    label(tmp_path / "raw", Doubtful(calls=0), tmp_path / "out")
    assert read_manifest(tmp_path / "out") == clips


def test_an_interrupted_labelling_goes_on_where_it_was(tmp_path: Path) -> None:
    recording(tmp_path / "raw" / "a.wav", [(0.2, "one"), (1.2, "two")], 1.9)
    lines = ["file\toffset\tseconds", *(f"a.wav\t{n % 2}\t{0.8 + n / 1000}" for n in range(2))]
    for word in ("one", "two"):
        recording(tmp_path / f"{word}.wav", [(0.2, word)], 0.8)
    for number in range(150):
        shutil.copy(
            tmp_path / ("one.wav" if number % 3 else "two.wav"), tmp_path / "raw" / f"{number}.wav"
        )
        lines.append(f"{number}.wav\t\t")
    (tmp_path / "raw" / "manifest.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = LabelOptions(0.5)
    progress: list[tuple[int, int]] = []
    with pytest.raises(KeyboardInterrupt):
        label(tmp_path / "raw", Doubtful(calls=1), tmp_path / "out", options)
    first = Doubtful()
    label(
        tmp_path / "raw",
        first,
        tmp_path / "out",
        options,
        lambda done, of: progress.append((done, of)),
    )
    assert progress == [(64, 88), (88, 88)]
    label(tmp_path / "raw", Doubtful(), tmp_path / "whole", options)
    for name in ("manifest.tsv", "dropped.tsv", "report.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert len(read_manifest(tmp_path / "out")) == 101


def test_the_confidence_of_a_clip_is_the_geometric_mean() -> None:
    def words(*values: float) -> list[Word]:
        return [Word("so", 0, 1, value) for value in values]

    assert confidence(words(0.9, 0.4)) == pytest.approx(0.6)
    assert confidence(words(0.0, 1.0)) == pytest.approx(0.01)
    assert confidence([]) == 0


def test_commands_lead_from_labels_to_a_store(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, str]] = []

    def find(name: str) -> object:
        return lambda model, device, language: asked.append((name, model, device)) or Doubtful()

    monkeypatch.setattr("gptasr_subs.recognition.loading.find_recognizer", find)
    words = ["label", corpus, "--teacher", "whisper:tiny", "--device", "cpu"]
    done = train(*words, "--min-confidence", 0.8, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert asked == [("whisper", "tiny", "cpu")]
    assert "radio: 3 clips" in done.stderr and "confidence under 0.8" in done.stderr
    done = train("prepare", tmp_path / "out", "--store", tmp_path / "store")
    assert done.exit_code == 0, done.output
    assert sorted(spoken(AudioStore(tmp_path / "store"))) == ["Four.", "One three.", "One."]


def test_what_cannot_be_labelled_is_refused_in_a_sentence(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.tsv").write_text("file\ttext\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no clips to put into"):
        label(tmp_path / "empty.tsv", Doubtful(), tmp_path / "out")
    with pytest.raises(UsageError, match="the corpus itself"):
        label(corpus, Doubtful(), corpus)
    done = train("label", corpus, "--teacher", "nobody:any", "--out", tmp_path / "out")
    assert done.exit_code == 1 and "recogniser 'nobody'" in done.stderr


def test_the_shipped_checkpoint_labels_a_clear_voice(tmp_path: Path) -> None:
    from gptasr_subs.evaluation.wer import count_errors, normalize
    from tests.support.media_maker import run_ffmpeg

    examples = Path(__file__).parents[2] / "examples"
    run_ffmpeg("-i", str(examples / "sample.mp4"), "-vn", str(tmp_path / "sample.wav"))
    (tmp_path / "raw.tsv").write_text("file\nsample.wav\n", encoding="utf-8")
    done = train("label", tmp_path / "raw.tsv", "--device", "cpu", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    said = normalize((examples / "sample.txt").read_text(encoding="utf-8"))
    recognised = " ".join(clip.text for clip in read_manifest(tmp_path / "out"))
    assert count_errors(said, normalize(recognised)).wer <= 25
    assert all(0 < float(row["confidence"]) <= 1 for row in read_rows(tmp_path / "out"))
