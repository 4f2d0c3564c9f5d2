"""Synthetic corpora: which sentences are read, what becomes of a clip, and runs that stop."""

from __future__ import annotations

import shutil
import sys
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from gptasr_subs.cli.train import app
from gptasr_subs.corpora import voices
from gptasr_subs.corpora.audio import read_manifest, read_samples
from gptasr_subs.corpora.synthesis import (
    PEAK,
    SAMPLE_RATE,
    Prompts,
    finish_clip,
    synthesise,
    usable,
    utterances,
    with_rare_words,
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


def test_sentences_with_rare_words_are_chosen() -> None:
    known = ["The ship sails."] * 3
    sentences = ["The ship!", "The KETCH sails.", "A ketch.", "The ketch.", "A ship sails."]
    assert with_rare_words(sentences, known, often=2) == [
        "The KETCH sails.",
        "A ketch.",
        "A ship sails.",
    ]
    assert with_rare_words(sentences, known, often=1) == ["The KETCH sails.", "A ketch."]
    assert with_rare_words(sentences, (), often=1) == ["The ship!", "The KETCH sails.", "A ketch."]


def test_a_text_without_a_rare_word_is_refused_for_that_reason(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("Old news.\n", encoding="utf-8")
    (tmp_path / "known.tsv").write_text(
        "file\ttext\n" + "x.flac\told news\n" * 20, encoding="utf-8"
    )
    words = (
        f"synthesise {tmp_path}/text.txt --out {tmp_path}/corpus --voices espeak"
        f" --new-to {tmp_path}/known.tsv"
    )
    refused = CliRunner().invoke(app, words.split())
    assert refused.exit_code == 2 and not (tmp_path / "corpus").exists()
    assert (
        "No sentence has a word that the corpora of --new-to say less than 20 times; give"
        in refused.stderr
    )
    with pytest.raises(UsageError, match="no sentence that can be read aloud"):
        synthesise(
            [ToneVoice("ann")],
            with_rare_words(usable(["5"]), ["old news"]),
            tmp_path / "corpus",
            1.0,
        )


def test_a_text_held_out_altogether_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("Old news.\nNo. 5\n", encoding="utf-8")
    (tmp_path / "dev.tsv").write_text("file\ttext\nnot-there.flac\told news\n", encoding="utf-8")
    words = (
        f"synthesise {tmp_path}/text.txt --out {tmp_path}/corpus --voices espeak"
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
    with pytest.raises(UsageError, match=r"0 files \*\.onnx"):
        find_voices([f"kokoro:{tmp_path}"])


def kokoro(
    folder: Path, monkeypatch: pytest.MonkeyPatch, spoken: list[tuple[np.ndarray, ...]]
) -> voices.Voice:
    """Kokoro's voice with four styles of 30 rows, and a graph that only records its inputs."""

    class Hibari:
        def phonemize(self, text: str) -> list[str]:
            return text.split()

    def graph(*inputs: np.ndarray) -> np.ndarray:
        spoken.append(inputs)
        return np.zeros(24, np.float32)

    monkeypatch.setitem(sys.modules, "hibari", SimpleNamespace(Hibari=Hibari))
    monkeypatch.setattr(voices, "_onnx_graph", lambda model: graph)
    (folder / "kokoro.onnx").touch()
    rows = np.arange(30, dtype=np.float32)[:, None, None] / 100
    styles: dict[str, Any] = {f"v{k}": np.full((30, 1, 256), k) + rows for k in range(4)}
    np.savez(folder / "styles.npz", **styles)
    (folder / "symbols.json").write_text('{"vocab": {"a": 5, "b": 7, " ": 1}}', encoding="utf-8")
    return find_voices([f"kokoro:{folder}"])[0]


def test_kokoro_changes_its_speaker_every_three_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken: list[tuple[np.ndarray, ...]] = []
    voice, rng, speakers = kokoro(tmp_path, monkeypatch, spoken), np.random.default_rng(0), []
    for _ in range(60):
        voice.speak("ab ba", rng)
        speakers.append(voice.name)
    assert [speakers[k] for k in range(0, 60, 3) for _ in range(3)] == speakers and len(
        set(speakers)
    ) == 20
    tokens, style, speed = spoken[0]
    assert (
        tokens.tolist() == [[0, 5, 7, 1, 7, 5, 0]]
        and style.shape == (1, 256)
        and 0.8 <= speed[0] <= 1.25
    )
    # of row 5, for five symbols
    levels = np.array([style[0, 0] for _, style, _ in spoken[::3]]) - 0.05
    assert np.isclose(
        levels, np.round(levels), atol=1e-4
    ).any()  # some speakers are one of the styles
    assert levels.min() < 0 or levels.max() > 3  # some are pushed beyond all of them
    with pytest.raises(ValueError, match="0 symbols"):
        voice.speak("?", rng)


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")
def test_the_command_line_makes_a_corpus_with_espeak(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(
        "All is well.\nHeld out.\nSo they went home again.\nOld news.\n", encoding="utf-8"
    )
    soundfile.write(tmp_path / "x.flac", say("bah"), RATE)
    (tmp_path / "dev.tsv").write_text("file\ttext\nx.flac\theld out\n", encoding="utf-8")
    words = f"synthesise {tmp_path}/text.txt --out {tmp_path}/corpus --voices espeak --hours 0.001"
    known = "".join(f"x.flac\t{text}\n" for text in ["old news"] * 20)
    (tmp_path / "known.tsv").write_text(f"file\ttext\n{known}", encoding="utf-8")
    options = ["--dev", str(tmp_path / "dev.tsv"), "--new-to", str(tmp_path / "known.tsv")]
    done = CliRunner().invoke(app, [*words.split(), *options])
    assert done.exit_code == 0, done.output
    clips = read_manifest(tmp_path / "corpus" / "manifest.tsv")
    assert clips and all(clip.speaker.startswith("espeak") for clip in clips)
    assert not any(
        known in clip.text.lower() for clip in clips for known in ("held", "old", "news")
    )
    for _, samples in read_samples(clips, SAMPLE_RATE):
        assert np.abs(samples).max() == pytest.approx(PEAK, abs=2e-3)


def test_every_named_voice_says_how_to_get_it() -> None:
    assert all(
        remedy.startswith(("install", "pip install")) for _, remedy in voices._MAKERS.values()
    )
