"""Scores during training: greedy text of the CTC head and of the GPT against what was said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gptasr_subs.evaluation.wer import WordErrors as Tally
from gptasr_subs.evaluation.wer import count_errors as tally
from gptasr_subs.evaluation.wer import is_unformatted as is_plain
from gptasr_subs.model import ctc
from gptasr_subs.model.features import LogMel
from gptasr_subs.model.network import GptAsr
from gptasr_subs.model.search import beam_search
from gptasr_subs.model.tokenizer import Tokenizer
from gptasr_subs.training.corpora import read_manifest, read_samples

DevClip = tuple[Tensor, str]  # log-mel (n_mels, T) and text

_BATCH = 10
_FRAMES_A_TOKEN = 10  # mel frames for one token at the least: no speech is faster


@dataclass(frozen=True, slots=True)
class DevScore:
    """WER in percent on one dev set, by the CTC head and by the GPT, and a sample of each.

    ``cased`` is the GPT's with case and marks as part of the words, where the set's texts have them.
    """

    name: str
    ctc: float
    text: float
    cased: float | None
    sample: str

    def to_dict(self) -> dict[str, float]:
        """The rates by curve."""
        rates = {"ctc": self.ctc, "text": self.text, "cased": self.cased}
        return {f"{self.name}/{kind}": rate for kind, rate in rates.items() if rate is not None}

    def __str__(self) -> str:
        """The rates and the sample, for a log."""
        return ", ".join(f"{name} {rate:.1f} %" for name, rate in self.to_dict().items()) + f"; {self.sample}"


def read_dev_set(manifest: Path, front_end: LogMel, most: int, max_frames: int) -> list[DevClip]:
    """Log-mels (n_mels, T) and texts of the first ``most`` clips, shortest first, without those over ``max_frames``."""
    sounds = read_samples(read_manifest(manifest)[:most], front_end.front.sample_rate)
    pairs = [(front_end(torch.from_numpy(samples.copy())[None])[0], clip.text) for clip, samples in sounds]
    fit = (pair for pair in pairs if pair[0].shape[-1] <= max_frames)
    return sorted(fit, key=lambda pair: pair[0].shape[-1])


@torch.inference_mode()
def score(
    network: GptAsr, tokenizer: Tokenizer, name: str, clips: Sequence[DevClip], with_text: bool, size: int = _BATCH
) -> DevScore:
    """WER of greedy decoding, ``size`` clips at a time; the GPT writes nothing unless ``with_text``."""
    spelled, text, cased, sample = Tally(), Tally(), Tally(), ""
    for first in range(0, len(clips), size):
        part = clips[first : first + size]
        decoded = _decode(network, tokenizer, [mel for mel, _ in part], with_text)
        for (_, reference), (heard, written) in zip(part, decoded, strict=True):
            said = ctc.spell_text(reference)
            spelled += tally(said, heard)
            text += tally(said, ctc.spell_text(written))
            cased += Tally() if is_plain(reference) else tally(reference, written)
            sample = sample or f"{reference!r}: ctc {heard!r} text {written!r}"
    return DevScore(name, spelled.wer, text.wer, cased.wer if cased.words else None, sample)


def _decode(
    network: GptAsr, tokenizer: Tokenizer, mels: Sequence[Tensor], with_text: bool
) -> Iterator[tuple[str, str]]:
    """What the CTC head and the GPT hear in each of ``mels`` (n_mels, T)."""
    encoded = network.encode(*_padded(mels, network.text_head.weight.device))
    assert network.ctc_head is not None and encoded.lengths is not None  # the trainer has one, and lengths went in
    log_probs, positions = network.ctc_head(encoded.features), encoded.lengths.tolist()
    limits = [12 + mel.shape[-1] // _FRAMES_A_TOKEN for mel in mels]
    beams = beam_search(network, encoded, limits, 1) if with_text else None
    for row, length in enumerate(positions):
        heard = ctc.greedy_text(log_probs[row, : length * network.config.ctc_frames])
        yield heard, tokenizer.decode(beams[row][0].tokens) if beams else ""


def _padded(mels: Sequence[Tensor], device: torch.device) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([mel.shape[-1] for mel in mels])
    padded = [torch.nn.functional.pad(mel, (0, int(lengths.max()) - mel.shape[-1])) for mel in mels]
    return torch.stack(padded).to(device), lengths.to(device)
