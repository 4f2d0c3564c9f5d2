"""Manifests and stores give back what went in; what is held out or doubtful stays out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gptasr_subs.corpora.audio import read_manifest, read_samples
from gptasr_subs.corpora.casing import sentence_case
from gptasr_subs.corpora.manifest import COLUMNS, Clip
from gptasr_subs.corpora.numerals import spell_numbers
from gptasr_subs.corpora.report import REPORT_FILE
from gptasr_subs.errors import FormatError, MediaError, UsageError
from gptasr_subs.evaluation.wer import is_unformatted
from gptasr_subs.model import ctc
from gptasr_subs.training.noise import coloured_noise, make_noises, read_noises
from gptasr_subs.training.preparation import HeldOut, prepare, why_not, written
from gptasr_subs.training.store import SAMPLE_RATE, AudioStore
from tests.support.tones import RATE, make_corpus, make_store, say, texts

CLIP = Clip(Path("a.flac"), 0.0, 2.0, "s", "tones", "CC0", "So they all went home.")


def test_a_manifest_is_read_with_all_its_columns(tmp_path: Path) -> None:
    rows = [
        COLUMNS,
        ("a b.flac", "0", "1.25", "Ann", "one", "CC BY 4.0", 'She said "no", naïvely.'),
        (f"{tmp_path}/deep/c.opus", "3.5", "0.75", "", "two", "", ""),
    ]
    lines = ["\t".join(row) + "\n" for row in rows]
    (tmp_path / "m.tsv").write_text("".join(lines), encoding="utf-8")
    said = 'She said "no", naïvely.'
    assert read_manifest(tmp_path / "m.tsv") == [
        Clip(tmp_path / "a b.flac", 0.0, 1.25, "Ann", "one", "CC BY 4.0", said),
        Clip(tmp_path / "deep" / "c.opus", 3.5, 0.75, "", "two", "", ""),
    ]


def test_a_manifest_of_path_and_text_alone_takes_whole_files(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", say("bah dee"), RATE)
    (tmp_path / "dev.tsv").write_text("path\ttext\nx.wav\tbah dee\n", encoding="utf-8")
    [clip] = read_manifest(tmp_path / "dev.tsv")
    assert clip == Clip(
        tmp_path / "x.wav", 0.0, len(say("bah dee")) / RATE, "", "dev", "", "bah dee"
    )


def test_a_manifest_that_makes_no_sense_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("name\ttext\nx.wav\thello\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"m\.tsv names no file"):
        read_manifest(tmp_path / "m.tsv")
    (tmp_path / "m.tsv").write_text("file\toffset\nx.wav\tsoon\n", encoding="utf-8")
    with pytest.raises(FormatError, match="no number"):
        read_manifest(tmp_path / "m.tsv")
    (tmp_path / "m.tsv").write_text("file\tseconds\nmissing.wav\t1\n", encoding="utf-8")
    with pytest.raises(MediaError, match=r"missing\.wav"):
        list(read_samples(read_manifest(tmp_path / "m.tsv"), RATE))


def test_samples_are_cut_at_their_offsets_and_resampled(tmp_path: Path) -> None:
    sentences = texts(4)
    clips = read_manifest(make_corpus(tmp_path, sentences))
    for (_, samples), text in zip(read_samples(clips, RATE), sentences, strict=True):
        np.testing.assert_allclose(samples, say(text), atol=2 / 32768)
    for clip, samples in read_samples(clips, 22050):
        assert abs(len(samples) - clip.seconds * 22050) <= 1


def test_a_store_holds_the_samples_to_two_bytes(tmp_path: Path) -> None:
    store = make_store(tmp_path, clips=5)
    clips = read_manifest(tmp_path / "tones.tsv")
    assert len(store) == len(clips)
    for index, (clip, samples) in enumerate(read_samples(clips, SAMPLE_RATE)):
        np.testing.assert_allclose(store.samples(index), samples, atol=0.5 / 32768)
        assert (store.text(index), store.source(index)) == (clip.text, clip.source)
        assert store.seconds(index) == pytest.approx(clip.seconds, abs=1 / SAMPLE_RATE)


def test_noises_become_clips_without_text(tmp_path: Path) -> None:
    prepare([make_corpus(tmp_path, texts(3))], tmp_path / "store")
    store = AudioStore(tmp_path / "store")
    silent = [index for index in range(len(store)) if not store.text(index)]
    assert len(store) - len(silent) == 3
    assert len(silent) == 48 and {store.source(index) for index in silent} == {"noise"}
    assert all(store.samples(index).any() for index in silent)


def test_there_is_no_store_before_it_is_whole(tmp_path: Path) -> None:
    manifest = make_corpus(tmp_path, texts(3))
    lines = manifest.read_text(encoding="utf-8")
    manifest.write_text(lines + "zz.flac\t0\t1\ts\ttones\tCC0\tBah dee.\n", encoding="utf-8")
    with pytest.raises(MediaError):
        prepare([manifest], tmp_path / "store")
    with pytest.raises(UsageError, match="gptasr-subs-train prepare"):
        AudioStore(tmp_path / "store")


def test_nothing_of_a_dev_set_gets_into_the_store(tmp_path: Path) -> None:
    """Neither its texts, nor a sentence of them among others, nor its sounds under another text."""
    held, *free = texts(6)
    train = make_corpus(tmp_path / "train", [*free, held, f"{free[0]} {held}"])
    dev = make_corpus(tmp_path / "dev", [held.lower().rstrip("."), free[1]], name="dev")
    lines = dev.read_text(encoding="utf-8").replace(free[1], "Something else.")
    dev.write_text(lines, encoding="utf-8")  # its sound is in the training set, its text is not
    report = prepare([train], tmp_path / "store", dev=[dev])
    store = AudioStore(tmp_path / "store")
    stored = {ctc.normalize_text(store.text(index)) for index in range(len(store))} - {""}
    assert stored == {ctc.normalize_text(text) for text in free if text != free[1]}
    reasons = {entry["reason"]: entry["clips"] for entry in report.to_dict()["dropped"]}
    assert reasons == {"held-out text": 2, "held-out audio": 1}


def test_the_report_counts_hours_speakers_and_reasons(tmp_path: Path) -> None:
    manifest = make_corpus(tmp_path, texts(4))
    lines = manifest.read_text(encoding="utf-8").splitlines()
    lines[1] = lines[1].rsplit("\t", 1)[0] + "\t"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    report = prepare([manifest], tmp_path / "store").to_dict()
    seconds = [clip.seconds for clip in read_manifest(manifest)]
    hours = [round(part / 3600, 4) for part in (sum(seconds[1:]), seconds[0])]
    [source], [dropped] = report["sources"], report["dropped"]
    assert source == {
        "source": "tones",
        "clips": 3,
        "hours": hours[0],
        "speakers": 2,
        "licences": ["CC0"],
    }
    assert dropped == {"reason": "no transcript", "source": "tones", "clips": 1, "hours": hours[1]}
    assert json.loads((tmp_path / "store" / REPORT_FILE).read_text(encoding="utf-8")) == report


def test_a_store_of_nothing_is_refused_with_the_reasons(tmp_path: Path) -> None:
    manifest = make_corpus(tmp_path, ["bah"])
    with pytest.raises(UsageError, match="held-out text: 1"):
        prepare([manifest], tmp_path / "store", dev=[manifest])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"text": " - "}, "no transcript"),
        ({"seconds": 0.2}, "too short"),
        ({"seconds": 16.0}, "too long"),
        ({"text": "Take the A4 home."}, "digits"),
        ({"seconds": 0.6}, "too fast"),
        ({"seconds": 11.0}, "too slow"),
        ({"text": "No.", "seconds": 2.9}, ""),
        ({"text": "No.", "seconds": 4.0}, "too slow"),
        ({"text": "Held out. So they went."}, "held-out text"),
    ],
)
def test_a_clip_is_dropped_for_its_reason(changes: dict[str, object], reason: str) -> None:
    assert why_not(replace(CLIP, **changes), HeldOut(frozenset({"held out"}))) == reason  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IT'S 3 O'CLOCK", "It's three o'clock."),
        ("he has 2 dogs", "He has two dogs."),
        ("As written, 12 of us", "As written, twelve of us"),
        ("", ""),
    ],
)
def test_transcripts_are_brought_to_one_form(text: str, expected: str) -> None:
    assert written(text) == expected


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        ("i think i'm late", "I think I'm late."),
        ("where did i put it", "Where did I put it?"),
        ("what fun", "What fun."),
        ("MISTER HALE SAID SO", "Mister hale said so."),
        ("  ", ""),
    ],
)
def test_a_plain_transcript_becomes_a_sentence(plain: str, expected: str) -> None:
    assert sentence_case(plain) == expected


@pytest.mark.parametrize(
    ("text", "plain"),
    [("hello you", True), ("HELLO YOU", True), ("Hello", False), ("well, no", False)],
)
def test_plain_means_one_case_and_no_marks(text: str, plain: bool) -> None:
    assert is_unformatted(text) is plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("In 1803 he had 12 sons.", "In eighteen oh-three he had twelve sons."),
        ("1,250 men", "one thousand two hundred and fifty men"),
        ("the 3rd of May", "the third of May"),
        ("2.5 miles", "two point five miles"),
        ("$1 or $1500", "one dollar or one thousand five hundred dollars"),
        ("40% of it", "forty percent of it"),
        ("at 10:30 or 9:05 or 8:00", "at ten thirty or nine oh five or eight o'clock"),
        ("the A4 and 4x4", "the A4 and 4x4"),
        ("none at all", "none at all"),
    ],
)
def test_numbers_are_written_as_they_are_said(text: str, expected: str) -> None:
    assert spell_numbers(text) == expected


def test_made_noises_are_finite_and_of_several_kinds() -> None:
    noises = make_noises(seconds=1.0)
    assert len(noises) == 24
    assert all(np.isfinite(noise).all() and noise.shape == noises[0].shape for noise in noises)
    again = make_noises(seconds=1.0)
    np.testing.assert_array_equal(noises[-1], again[-1])


def test_coloured_noise_falls_with_its_slope() -> None:
    sound = coloured_noise(RATE * 4, 1.0, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(sound)) ** 2
    octaves = [power[band : 2 * band].mean() for band in (1600, 3200, 6400)]  # 400, 800, 1600 Hz
    falls = 10 * np.log10(np.divide(octaves[:-1], octaves[1:]))
    np.testing.assert_allclose(falls, 6.0, atol=0.5)  # dB an octave


def test_only_noises_of_a_manifest_count_that_are_long_enough(tmp_path: Path) -> None:
    for name, seconds in (("a", 2.5), ("b", 2.5), ("c", 0.5)):
        soundfile.write(
            tmp_path / f"{name}.flac",
            np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)),
            RATE,
        )
    lines = ["file\tkind\tseconds", "a.flac\tnoise\t2.5", "b.flac\trir\t2.5", "c.flac\tnoise\t0.5"]
    (tmp_path / "noise.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = read_noises(tmp_path / "noise.tsv")
    assert (
        [len(noise) for noise in found.noises]
        == [len(room) for room in found.rooms]
        == [round(2.5 * RATE)]
    )
    (tmp_path / "noise.tsv").write_text("\n".join([lines[0], lines[3]]) + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match="names no noise"):
        read_noises(tmp_path / "noise.tsv")
