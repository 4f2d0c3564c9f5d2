"""Synthetic speech for training: voices read sentences into FLAC shards with a manifest.

A corpus is a folder with ``manifest.tsv`` (one line a clip) and mono 16-bit FLAC shards at 22050 Hz
in which the clips lie one after the other. A shard enters the manifest once it is complete, so a
corpus can be read while it grows, and an interrupted run is resumed.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from gptasr_subs.corpora.manifest import MANIFEST_FILE
from gptasr_subs.corpora.shards import Row, add_rows, open_table, write_shard
from gptasr_subs.corpora.voices import Voice
from gptasr_subs.errors import UsageError
from gptasr_subs.model import ctc
from gptasr_subs.types import FloatArray

SAMPLE_RATE = 22050  # Hz, of every shard
PEAK = 0.7  # of full scale, of every clip

_MIN_SECONDS = 0.25
_MAX_SECONDS = 15.5  # seconds of a clip that is kept
_SHARDS_TO_FAIL = 3  # in which no voice reads anything, until it is hopeless
_LOUD = 0.008  # of a clip at ``PEAK``: below is silence
_ASCII_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
_UNSPEAKABLE = re.compile(
    r"[^A-Za-z'\".,;:!? -]|\b[A-Z]{2,}\b"  # digits, symbols, other scripts; acronyms
    r"|\b(Mrs?|Ms|Dr|St|Jr|Sr|Prof|Capt|Col|Gen|Lt|Rev|Hon|Mt|vs|etc|No|Co|Esq|Messrs|Mme|Mlle)\."
    r"|\b[A-Za-z]\.|\.[A-Za-z]|\.,|\.\s+[a-z]"  # initials and other abbreviations
)
_ENDED = re.compile(r"[.!?]['\"]?$")


@dataclass(frozen=True, slots=True)
class Prompts:
    """Shares of prompts that are several sentences (2 to ``most``), or but one to three words."""

    joined: float = 0.35
    short: float = 0.06
    most: int = 4


def usable(sentences: Iterable[str], excluded: Collection[str] = ()) -> list[str]:
    """Return sentences without digits, acronyms or abbreviations, less those ``excluded``
    (normalised).

    Raises ``UsageError`` where that leaves none of those that could be read.
    """
    plain = (sentence.translate(_ASCII_QUOTES).strip() for sentence in sentences)
    kept = {
        ctc.normalize_text(sentence): sentence
        for sentence in plain
        if not _UNSPEAKABLE.search(sentence)
    }
    left = [sentence for key, sentence in kept.items() if key and key not in excluded]
    if any(kept) and not left:
        raise UsageError(
            "Every sentence of the text is held out, for a corpus of --dev says it;"
            " give other sentences."
        )
    return left


def utterances(
    sentences: Sequence[str], rng: np.random.Generator, prompts: Prompts | None = None
) -> Iterator[str]:
    """Endless prompts: the sentences in random order, round after round."""
    prompts = prompts or Prompts()
    queue: list[str] = []
    while True:
        while len(queue) < prompts.most:
            queue.extend(sentences[i] for i in rng.permutation(len(sentences)))
        kind = rng.random()
        several = prompts.short <= kind < prompts.short + prompts.joined
        parts = [
            queue.pop() for _ in range(int(rng.integers(2, prompts.most + 1)) if several else 1)
        ]
        if kind < prompts.short:
            # one to three successive words, so that short clips are learned too
            words = re.findall(r"[A-Za-z](?:'?[A-Za-z])*", parts[0])
            count = min(int(rng.integers(1, 4)), len(words))
            start = int(rng.integers(len(words) - count + 1))
            phrase = " ".join(words[start : start + count])
            yield phrase[:1].upper() + phrase[1:] + "."
        else:
            yield " ".join(parts) if all(map(_ENDED.search, parts)) else parts[0]


def finish_clip(samples: FloatArray, rate: int, rng: np.random.Generator) -> FloatArray:
    """Trim to the speech plus 0.1-0.25 s a side, resample from ``rate`` Hz, scale to ``PEAK``."""
    import soxr

    samples = samples / max(float(np.abs(samples).max(initial=0.0)), 1e-4) * PEAK
    loud = np.flatnonzero(np.abs(samples) > _LOUD)
    if len(loud) == 0:
        return np.zeros(0, np.float32)
    before, after = (int(seconds * rate) for seconds in rng.uniform(0.1, 0.25, 2))
    padded = np.pad(samples, (before, after))[loud[0] : loud[-1] + 1 + before + after]
    clip: FloatArray = soxr.resample(padded, rate, SAMPLE_RATE)
    return clip / max(float(np.abs(clip).max()), 1e-4) * PEAK


def speak_all(
    voice: Voice, texts: Iterable[str], rng: np.random.Generator
) -> tuple[list[FloatArray], list[Row]]:
    """Speak ``texts``: the clips, and for each the columns of the manifest after the file.

    What the voice cannot read, or reads as too short or too long a clip, is left out.
    """
    clips: list[FloatArray] = []
    rows: list[Row] = []
    position = 0
    for text in texts:
        try:
            clip = finish_clip(*voice.speak(text, rng), rng)
        except (ValueError, subprocess.SubprocessError):
            continue
        if not _MIN_SECONDS <= len(clip) / SAMPLE_RATE <= _MAX_SECONDS:
            continue
        place = f"{position / SAMPLE_RATE:.5f}", f"{len(clip) / SAMPLE_RATE:.5f}"
        rows.append((*place, voice.name, voice.source, voice.licence, text))
        clips.append(clip)
        position += len(clip)
    return clips, rows


def synthesise(
    voices: Sequence[Voice],
    sentences: Sequence[str],
    folder: Path,
    hours: float,
    seed: int = 0,
    clips_per_shard: int = 50,
    prompts: Prompts | None = None,
) -> float:
    """Write, or resume, a corpus of ``hours`` in ``folder``; return its hours now.

    The voices take turns shard by shard. Several processes with different seeds may write into one
    folder. Raises ``UsageError`` where there is nothing to read, or nothing of it can be read.
    """
    if not sentences:
        raise UsageError(
            "There is no sentence that can be read aloud; give a text with one sentence a line."
        )
    manifest = open_table(folder / MANIFEST_FILE)
    prefix = f"s{seed}-"
    done, number = _progress(manifest, prefix)
    endless = utterances(sentences, np.random.default_rng(seed), prompts)
    ahead = islice(endless, number * clips_per_shard, None)
    failures = 0
    while done < hours:
        texts = list(islice(ahead, clips_per_shard))
        voice = voices[number % len(voices)]
        clips, rows = speak_all(voice, texts, np.random.default_rng((seed, number)))
        failures = 0 if clips else failures + 1
        if failures > len(voices) * _SHARDS_TO_FAIL:
            raise UsageError(
                f"{voice.name} could not read {texts[0]!r} and what came before it;"
                " take another voice."
            )
        if clips:
            name = f"{prefix}{number:05d}.flac"
            write_shard(folder / name, clips, SAMPLE_RATE)
            add_rows(manifest, ((name, *row) for row in rows))
        number = number + 1
        done = _progress(manifest, prefix)[0]
    return done


def _progress(manifest: Path, prefix: str) -> tuple[float, int]:
    """Return hours in the manifest, and the number of the next shard whose file begins with
    ``prefix``.
    """
    lines = [line.split("\t") for line in manifest.read_text(encoding="utf-8").splitlines()[1:]]
    mine = [
        int(Path(line[0]).stem.removeprefix(prefix)) for line in lines if line[0].startswith(prefix)
    ]
    return sum(float(line[2]) for line in lines) / 3600, max(mine, default=-1) + 1
