"""A corpus made in a moment: each word is a tone of its own, so that a network can learn them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from gptasr_subs.corpora.audio import read_manifest, read_samples
from gptasr_subs.model.checkpoint import Checkpoint
from gptasr_subs.training.options import GraftOptions, Phase
from gptasr_subs.training.store import SAMPLE_RATE, AudioStore, write_store
from gptasr_subs.types import FloatArray
from tests.support.tiny import tiny_network, train_bpe

RATE = 16000
WORD_SECONDS = 0.35
PITCHES = {"bah": 300.0, "dee": 800.0, "koo": 1700.0, "sow": 3200.0}  # Hz

TEXTS = ["Bah dee.", "Koo sow.", "Dee."]

# All phases, text-only batches, warm-up and all that is left to chance, within a few steps.
PLAN = GraftOptions(
    adapter=Phase(3, distil=1.0, batch_seconds=4),
    text=Phase(3, gpt_lr=1e-3, batch_seconds=4, joined=0.5),
    full=Phase(3, gpt_lr=1e-3, encoder_lr=1e-4, batch_seconds=4, joined=0.5),
    warmup=2,
    lm_every=2,
    lm_batch=3,
    dropout=0.1,
    token_noise=0.2,
    mask_every=0.5,
    mask_seconds=0.2,
    longest=3.0,
    save_every=2,
    report_every=1,
    evaluate_every=0,
)


def say(text: str) -> FloatArray:
    """The tones of ``text``'s words with short gaps, and a little noise under all of it."""
    rng = np.random.default_rng(len(text))
    time = np.arange(round(WORD_SECONDS * RATE)) / RATE
    tones = [
        0.3 * np.sin(2 * np.pi * PITCHES[word] * time) * np.hanning(len(time))
        for word in _words(text)
    ]
    gap = np.zeros(RATE // 20)
    sound = np.concatenate([gap, *(part for tone in tones for part in (tone, gap))])
    return (sound + 0.001 * rng.normal(size=len(sound))).astype(np.float32)


def _words(text: str) -> list[str]:
    return ["".join(filter(str.isalpha, word)) for word in text.lower().split()]


def texts(count: int, seed: int = 0) -> list[str]:
    """``count`` different sentences of two to five words."""
    rng = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found[" ".join(rng.choice(list(PITCHES), rng.integers(2, 6))).capitalize() + "."] = None
    return list(found)


def make_corpus(folder: Path, sentences: Sequence[str], name: str = "tones") -> Path:
    """A manifest of ``sentences``, spoken one after the other in one file by two speakers."""
    folder.mkdir(parents=True, exist_ok=True)
    sounds = [say(text) for text in sentences]
    soundfile.write(folder / f"{name}.flac", np.concatenate(sounds), RATE)
    lines, offset = ["file\toffset\tseconds\tspeaker\tsource\tlicence\ttext"], 0
    for number, (text, sound) in enumerate(zip(sentences, sounds, strict=True)):
        place = f"{name}.flac\t{offset / RATE:.5f}\t{len(sound) / RATE:.5f}"
        lines.append(f"{place}\tspeaker{number % 2}\t{name}\tCC0\t{text}")
        offset += len(sound)
    manifest = folder / f"{name}.tsv"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def make_store(folder: Path, clips: int = 12) -> AudioStore:
    """A store of a corpus of so many clips."""
    write_store(
        read_samples(read_manifest(make_corpus(folder, texts(clips))), SAMPLE_RATE),
        folder / "store",
    )
    return AudioStore(folder / "store")


def spoken(store: AudioStore) -> list[str]:
    """What the clips of ``store`` say, without those that have no speech."""
    return [store.text(index) for index in range(len(store)) if store.text(index)]


def tiny_start(store: AudioStore, generation: int = 3) -> Checkpoint:
    """A checkpoint with fresh weights and a vocabulary for what ``store`` says."""
    tokenizer = train_bpe([store.text(index) for index in range(len(store))], 40)
    network = tiny_network(generation, ctc=True, vocabulary=tokenizer.size)
    return Checkpoint("tiny", network.config, network, tokenizer)
