"""Scores during training: greedy text of the CTC head and of the GPT against what was said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from gptasr_subs.model import ctc
from gptasr_subs.model.features import LogMel
from gptasr_subs.model.network import GptAsr
from gptasr_subs.model.search import beam_search
from gptasr_subs.model.tokenizer import Tokenizer
from gptasr_subs.training.corpora import Clip, read_manifest, read_samples


@dataclass(frozen=True, slots=True)
class DevScore:
    """WER in percent on one dev set, by the CTC head and by the GPT, and a sample of each."""

    name: str
    ctc: float
    text: float
    sample: str


def read_dev_set(manifest: Path, front_end: LogMel, most: int) -> list[tuple[torch.Tensor, str]]:
    """Log-mels (n_mels, T) and texts of the first ``most`` clips, shortest first."""
    clips = read_manifest(manifest)[:most]
    rate = front_end.front.sample_rate
    pairs = [(front_end(torch.from_numpy(samples.copy())[None])[0], clip.text) for clip, samples in read_samples(clips, rate)]
    return sorted(pairs, key=lambda pair: pair[0].shape[-1])


@torch.inference_mode()
def score(
    network: GptAsr, tokenizer: Tokenizer, name: str, clips: list[tuple[torch.Tensor, str]], with_text: bool, size: int = 10
) -> DevScore:
    """Plain WER (lower case, no punctuation) of greedy decoding."""
    import jiwer

    said, spelled, written = [], [], []
    for first in range(0, len(clips), size):
        part = clips[first : first + size]
        said += [ctc.spell_text(text) for _, text in part]
        for by_ctc, by_text in _decode(network, tokenizer, [mel for mel, _ in part], with_text):
            spelled.append(by_ctc)
            written.append(by_text)
    worst = f"{said[0]!r}: ctc {spelled[0]!r} text {written[0]!r}"
    return DevScore(name, 100 * jiwer.wer(said, spelled), 100 * jiwer.wer(said, written), worst)


def _decode(
    network: GptAsr, tokenizer: Tokenizer, mels: list[torch.Tensor], with_text: bool
) -> Iterator[tuple[str, str]]:
    lengths = torch.tensor([mel.shape[-1] for mel in mels])
    padded = torch.stack([torch.nn.functional.pad(mel, (0, int(lengths.max()) - mel.shape[-1])) for mel in mels])
    encoded = network.encode(padded, lengths)
    assert network.ctc_head is not None and encoded.lengths is not None
    log_probs = network.ctc_head(encoded.features)
    limits = [12 + int(length) // 10 for length in lengths]
    beams = beam_search(network, encoded, limits, 1) if with_text else None
    for row, positions in enumerate(encoded.lengths.tolist()):
        heard = ctc.greedy_text(log_probs[row, : positions * network.config.ctc_frames])
        text = tokenizer.decode(beams[row][0].tokens) if beams else ""
        yield heard, ctc.spell_text(text)


def clips_of(folder: Path) -> list[Clip]:
    """All clips of all manifests below ``folder``."""
    return [clip for manifest in sorted(folder.rglob("*.tsv")) for clip in read_manifest(manifest)]
