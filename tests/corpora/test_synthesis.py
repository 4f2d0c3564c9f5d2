"""Synthetic corpora: which sentences are read, what becomes of a clip, and runs that stop."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from gptasr_subs.cli.train import app
from gptasr_subs.corpora.audio import read_manifest, read_samples
from gptasr_subs.corpora.synthesis import (
    PEAK,
    SAMPLE_RATE,
    Prompts,
    finish_clip,
    synthesise,
    usable,
    utterances,
)
from gptasr_subs.corpora.voices import Sound, find_voices
from gptasr_subs.errors import UsageError
from tests.support.tones import PITCHES, RATE, say

SENTENCES = [f"{first.capitalize()} {second}." for first in PITCHES for second in PITCHES]


class ToneVoice:
    """Sings each word; one of its words it cannot."""

    source, licence = "tones", "CC0"

    def __init__(self, name: str, mute: str = "") -> None:
        self.name, self.mute = name, mute

    def speak(self, text: str, rng: np.random.Generator) -> Sound:
        if self.mute and self.mute in text.lower():
            raise ValueError(text)
        return say(text) * np.float32(rng.uniform(0.1, 1)), RATE


@pytest.mark.parametrize(
    "sentence",
    [
        "It cost 5 pounds.",
        "The BBC said so.",
        "Mr. Hale left.",
        "J. Smith came.",
        "He said e.g. this.",
        "Schöne Welt.",
        "-",
    ],
)
def test_a_sentence_that_is_not_read_as_written_is_left_out(sentence: str) -> None:
    assert usable([sentence, "All is well."]) == ["All is well."]


def test_sentences_are_read_once_and_never_what_is_held_out() -> None:
    lines = ["So it’s true.", "so it's true", "Held out!", "“Well,” he said."]
    assert usable(lines, {"held out"}) == ["so it's true", '"Well," he said.']


def test_a_text_that_cannot_be_read_aloud_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no sentence that can be read aloud"):
        synthesise([ToneVoice("ann")], usable(["5"]), tmp_path / "corpus", 1.0)


def test_a_text_held_out_altogether_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("Old news.\nNo. 5\n", encoding="utf-8")
    (tmp_path / "dev.tsv").write_text("file\ttext\nnot-there.flac\told news\n", encoding="utf-8")
    words = (
        f"synthesise {tmp_path}/text.txt --out {tmp_path}/corpus --voices flite"
        f" --dev {tmp_path}/dev.tsv"
    )
    refused = CliRunner().invoke(app, words.split())
    assert refused.exit_code == 2 and not (tmp_path / "corpus").exists()
    assert (
        "Every sentence of the text is held out, for a corpus of --dev says it; give other"
        in refused.stderr
    )


def test_prompts_go_through_all_sentences_round_after_round() -> None:
    single = utterances(SENTENCES, np.random.default_rng(0), Prompts(joined=0, short=0, most=1))
    rounds = [sorted(islice(single, len(SENTENCES))) for _ in range(2)]
    assert rounds == [sorted(SENTENCES)] * 2


def test_prompts_are_joined_and_cut_as_often_as_asked() -> None:
    mixed = list(
        islice(
            utterances(SENTENCES, np.random.default_rng(0), Prompts(joined=0.5, short=0.2)), 2000
        )
    )
    assert np.mean([prompt.count(".") > 1 for prompt in mixed]) == pytest.approx(0.5, abs=0.04)
    assert max(prompt.count(".") for prompt in mixed) == 4
    assert all(prompt[0].isupper() and prompt.endswith(".") for prompt in mixed)
    short = islice(
        utterances(["One two three four five."], np.random.default_rng(0), Prompts(short=1.0)), 50
    )
    assert {len(prompt.split()) for prompt in short} == {1, 2, 3}


def test_a_clip_is_trimmed_levelled_and_resampled() -> None:
    silence = np.zeros(RATE, np.float32)
    tone = (0.01 * np.sin(np.arange(RATE) * 0.3)).astype(np.float32)
    clip = finish_clip(np.concatenate([silence, tone, silence]), RATE, np.random.default_rng(0))
    assert 1.2 - 0.01 <= len(clip) / SAMPLE_RATE <= 1.5 + 0.01
    assert np.abs(clip).max() == pytest.approx(PEAK, abs=1e-3)
    assert len(finish_clip(silence, RATE, np.random.default_rng(0))) == 0


def corpus(folder: Path, hours: float, *parts: ToneVoice) -> list[tuple[str, str, str]]:
    synthesise(parts, SENTENCES, folder, hours, seed=3, clips_per_shard=4)
    return [
        (clip.file.name, clip.speaker, clip.text) for clip in read_manifest(folder / "manifest.tsv")
    ]


def test_an_interrupted_corpus_goes_on_as_it_would_have(tmp_path: Path) -> None:
    singers = ToneVoice("ann"), ToneVoice("bob")
    whole = corpus(tmp_path / "whole", 0.008, *singers)
    part = corpus(tmp_path / "part", 0.002, *singers)
    assert 0 < len(part) < len(whole)
    (tmp_path / "part" / "s3-00009.flac").write_bytes(b"half a shard, in no manifest")
    assert corpus(tmp_path / "part", 0.008, *singers) == whole
    assert {speaker for _, speaker, _ in whole} == {"ann", "bob"}
    assert corpus(tmp_path / "part", 0.008, *singers) == whole  # enough is enough


def test_clips_lie_where_the_manifest_says(tmp_path: Path) -> None:
    corpus(tmp_path, 0.002, ToneVoice("ann"))
    clips = read_manifest(tmp_path / "manifest.tsv")
    assert sum(clip.seconds for clip in clips) >= 0.002 * 3600
    for _, samples in read_samples(clips, SAMPLE_RATE):
        # begins with 0.1 s of quiet
        assert np.abs(samples[: SAMPLE_RATE // 12]).max() < 0.02 * PEAK
        assert np.abs(samples).max() == pytest.approx(PEAK, abs=2e-3)


def test_what_a_voice_cannot_read_is_left_out(tmp_path: Path) -> None:
    found = corpus(tmp_path, 0.002, ToneVoice("ann", mute="bah"))
    assert found and not any("bah" in text.lower() for _, _, text in found)


def test_a_voice_that_reads_nothing_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ann could not read"):
        corpus(tmp_path, 0.002, ToneVoice("ann", mute="."))


def test_a_voice_that_is_not_there_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no synthesiser 'siri'; take one of hibari"):
        find_voices(["siri"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="install the program flite"):
        find_voices(["flite"])


@pytest.mark.skipif(not shutil.which("flite"), reason="flite is not installed")
def test_the_command_line_makes_a_corpus_with_flite(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(
        "All is well.\nHeld out.\nSo they went home again.\n", encoding="utf-8"
    )
    soundfile.write(tmp_path / "x.flac", say("bah"), RATE)
    (tmp_path / "dev.tsv").write_text("file\ttext\nx.flac\theld out\n", encoding="utf-8")
    words = f"synthesise {tmp_path}/text.txt --out {tmp_path}/corpus --voices flite --hours 0.001"
    done = CliRunner().invoke(app, [*words.split(), "--dev", str(tmp_path / "dev.tsv")])
    assert done.exit_code == 0, done.output
    clips = read_manifest(tmp_path / "corpus" / "manifest.tsv")
    assert clips and all(clip.speaker.startswith("flite-") for clip in clips)
    assert not any("held" in clip.text.lower() for clip in clips)
    for _, samples in read_samples(clips, SAMPLE_RATE):
        assert np.abs(samples).max() == pytest.approx(PEAK, abs=2e-3)
