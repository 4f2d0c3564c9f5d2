"""From manifests to a store: transcripts normalised, doubtful clips dropped, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np

from gptasr_subs.corpora.audio import ClipAudio, read_manifest, read_samples
from gptasr_subs.corpora.casing import sentence_case
from gptasr_subs.corpora.manifest import Clip
from gptasr_subs.corpora.numerals import spell_numbers
from gptasr_subs.corpora.report import Report
from gptasr_subs.errors import UsageError
from gptasr_subs.evaluation.wer import is_unformatted
from gptasr_subs.model import ctc
from gptasr_subs.training.noise import noise_clips, read_noises
from gptasr_subs.training.store import SAMPLE_RATE, write_store
from gptasr_subs.types import FloatArray

_MIN_SECONDS = 0.25  # seconds
_MAX_SECONDS = 15.6
_MAX_LETTERS_PER_SECOND = 26.0
# a CTC frame a letter and one between equal letters, with a tenth to spare
_MAX_CTC_PER_SECOND = 0.9 * 32.0
_MIN_LETTERS_PER_SECOND = 3.0  # ... after the pauses that even one word may have around it:
_PAUSES = 2.5  # seconds
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What must never be trained on: normalised ``texts``, and hashes of audio."""

    texts: frozenset[str] = frozenset()
    audio: frozenset[str] = frozenset()

    def has_text(self, text: str) -> bool:
        """Return whether ``text``, or a sentence of it, is held out."""
        return any(
            ctc.normalize_text(part) in self.texts for part in (text, *_SENTENCE_END.split(text))
        )


def prepare(
    manifests: Sequence[Path],
    folder: Path,
    dev: Sequence[Path] = (),
    noise: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> Report:
    """Make a store in ``folder`` of the clips of ``manifests``, without those of ``dev``.

    ``noise`` is a manifest of noises (see noise.py), which become clips without text;
    ``on_progress`` gets the number of clips done, and of all. The report is left in the folder too.
    Raises ``UsageError`` where no clip passes.
    """
    held_out = read_held_out(dev, SAMPLE_RATE)
    report = Report()
    passed = []
    for clip in read_manifest(*manifests):
        candidate = replace(clip, text=written(clip.text))
        if reason := why_not(candidate, held_out):
            report.dropped.append((candidate, reason))
        else:
            passed.append(candidate)
    if not passed:
        counts = [f"{entry['reason']}: {entry['clips']}" for entry in report.to_dict()["dropped"]]
        reasons = ", ".join(counts) or "there are none"
        raise UsageError(f"No clip is fit for training ({reasons}); look at the manifests.")
    # Clips of one file lie together, so that each file is decoded once.
    passed.sort(key=lambda clip: (str(clip.file), clip.offset))

    def kept() -> Iterator[ClipAudio]:
        for done, (clip, samples) in enumerate(read_samples(passed, SAMPLE_RATE), 1):
            if audio_hash(samples) in held_out.audio:
                report.dropped.append((clip, "held-out audio"))
            else:
                report.kept.append(clip)
                yield clip, samples
            on_progress(done, len(passed))
        yield from noise_clips(read_noises(noise).noises)

    write_store(kept(), folder)
    report.write(folder)
    return report


def read_held_out(dev: Sequence[Path], sample_rate: int) -> HeldOut:
    """Return texts of the manifests ``dev``, and hashes of their audio at ``sample_rate``."""
    clips = read_manifest(*dev)
    audio = frozenset(audio_hash(samples) for _, samples in read_samples(clips, sample_rate))
    return HeldOut(normalized_texts(clips), audio)


def normalized_texts(clips: Iterable[Clip]) -> frozenset[str]:
    """Return what the clips say, as CTC spells it; the empty text is not among them."""
    return frozenset(ctc.normalize_text(clip.text) for clip in clips) - {""}


def audio_hash(samples: FloatArray) -> str:
    """Return the SHA-256 of ``samples`` as 16-bit numbers."""
    return sha256((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes()).hexdigest()


def why_not(clip: Clip, held_out: HeldOut) -> str:
    """Return why ``clip`` is unfit for training; empty where it is fit."""
    text = ctc.normalize_text(clip.text)
    letters = len(text)
    seconds = clip.seconds
    # the shortest CTC path: a frame for each letter, and a blank between equal ones
    ctc_frames = letters + sum(left == right for left, right in pairwise(text))
    # The first reason counts, so the order is from what is plain to what is a matter of degree.
    reasons = {
        "no transcript": not text,
        "held-out text": held_out.has_text(clip.text),
        "too short": seconds < _MIN_SECONDS,
        "too long": seconds > _MAX_SECONDS,
        "digits": any(character.isdigit() for character in clip.text),
        "too fast": letters > _MAX_LETTERS_PER_SECOND * seconds
        or ctc_frames > _MAX_CTC_PER_SECOND * seconds,
        "too slow": letters < _MIN_LETTERS_PER_SECOND * (seconds - _PAUSES),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def written(text: str) -> str:
    """Return a transcript with case, punctuation and spelled-out numbers."""
    said = spell_numbers(text)
    return sentence_case(said) if is_unformatted(text) else said
