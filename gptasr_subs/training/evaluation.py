"""Scores during training: greedy text of the CTC head and of the GPT against what was said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gptasr_subs.corpora.audio import read_manifest, read_samples
from gptasr_subs.evaluation.wer import WordErrors, count_errors, is_unformatted
from gptasr_subs.model import ctc
from gptasr_subs.model.config import ModelConfig
from gptasr_subs.model.decoding.beam_search import beam_search
from gptasr_subs.model.log_mel import build_front_end, clip_frames
from gptasr_subs.model.network import GptAsr
from gptasr_subs.model.tokenizer import Tokenizer

DevClip = tuple[Tensor, str]  # frames of the front end (T, n_mels) and text

_BATCH = 10
_SECONDS_A_TOKEN = 0.08  # at least: no speech is faster


@dataclass(frozen=True, slots=True)
class DevScore:
    """WER in percent on one dev set, by the CTC head and by the GPT, and a sample of each.

    ``cased`` is the GPT's with casing and punctuation, where the set's texts have them.
    """

    name: str
    ctc: float
    text: float
    cased: float | None
    sample: str

    def to_dict(self) -> dict[str, float]:
        """Return the rates by curve."""
        rates = {"ctc": self.ctc, "text": self.text, "cased": self.cased}
        return {f"{self.name}/{kind}": rate for kind, rate in rates.items() if rate is not None}

    def __str__(self) -> str:
        """The rates and the sample, for a log."""
        return (
            ", ".join(f"{name} {rate:.1f} %" for name, rate in self.to_dict().items())
            + f"; {self.sample}"
        )


def read_dev_set(manifest: Path, config: ModelConfig, most: int) -> list[DevClip]:
    """Return the first ``most`` clips that the network of ``config`` can take whole, shortest
    first.
    """
    front_end = build_front_end(config.front_end)
    loaded = read_samples(read_manifest(manifest)[:most], config.front_end.sample_rate)
    fit = ((clip.text, samples) for clip, samples in loaded if clip.seconds <= config.max_seconds)
    pairs = [(clip_frames(front_end, samples), text) for text, samples in fit]
    return sorted(pairs, key=lambda pair: len(pair[0]))


@torch.inference_mode()
def score(network: GptAsr, tokenizer: Tokenizer, name: str, clips: Sequence[DevClip]) -> DevScore:
    """WER of greedy decoding by the CTC head and by the GPT."""
    by_ctc = WordErrors()
    by_gpt = WordErrors()
    cased = WordErrors()
    sample = ""
    for first in range(0, len(clips), _BATCH):
        part = clips[first : first + _BATCH]
        decoded = _decode(network, tokenizer, [frames for frames, _ in part])
        # Errors are summed before they are divided: WER is that of the set, not a mean of clips.
        for (_, reference), (letters, written) in zip(part, decoded, strict=True):
            said = ctc.normalize_text(reference)
            by_ctc += count_errors(said, letters)
            by_gpt += count_errors(said, ctc.normalize_text(written))
            cased += WordErrors() if is_unformatted(reference) else count_errors(reference, written)
            sample = sample or f"{reference!r}: ctc {letters!r} text {written!r}"
    return DevScore(name, by_ctc.wer, by_gpt.wer, cased.wer if cased.words else None, sample)


def _decode(
    network: GptAsr, tokenizer: Tokenizer, clips: Sequence[Tensor]
) -> Iterator[tuple[str, str]]:
    """Yield text by the CTC head and by the GPT for each of ``clips``, frames (T, n_mels)."""
    device = network.text_head.weight.device
    lengths = torch.tensor([len(clip) for clip in clips], device=device)
    padded = pad_sequence(list(clips), batch_first=True).transpose(1, 2).to(device)
    encoded = network.encode(padded, lengths)
    # A graft has a CTC head, and lengths went in, so they come out.
    assert network.ctc_head is not None and encoded.lengths is not None
    log_probs = network.ctc_head(encoded.features)
    rate = network.config.front_end.frames_per_second
    # A limit in proportion to the clip keeps an untrained GPT from writing to its last position.
    limits = [12 + int(len(clip) / rate / _SECONDS_A_TOKEN) for clip in clips]
    beams = beam_search(network, encoded, limits, 1)  # greedy: quick, and good enough to compare
    for row, length in enumerate(encoded.lengths.tolist()):
        letters = ctc.greedy_decode(log_probs[row, : length * network.config.ctc_frames])
        yield letters, tokenizer.decode(beams[row][0].tokens)
