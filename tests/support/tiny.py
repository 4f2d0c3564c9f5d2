"""Networks small enough to build in every test, and a beam search too plain to be wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from tokenizers import Tokenizer as Backend
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.trainers import BpeTrainer
from torch import Tensor

from gptasr_subs.model.checkpoint import Checkpoint
from gptasr_subs.model.config import (
    GENERATION_1,
    GENERATION_2,
    SAMPLES,
    AdapterConfig,
    EncoderConfig,
    ModelConfig,
)
from gptasr_subs.model.ctc import CLASSES
from gptasr_subs.model.network import GptAsr
from gptasr_subs.model.tokenizer import BpeTokenizer, CharacterTokenizer, Tokenizer

TEXTS = ["hello there", "good day to you", "what's the matter?", "well, well-known"]


def tiny_config(
    generation: int, *, ctc: bool = False, vocabulary: int = 40, start_token: int = 1
) -> ModelConfig:
    first = generation == 1
    if generation == 3:
        return _tiny_graft(ctc=ctc, vocabulary=vocabulary)
    return ModelConfig(
        generation=1 if first else 2,
        layers=2,
        width=64,
        heads=4,
        vocabulary=149 if first else vocabulary,
        start_token=148 if first else start_token,
        max_mel_frames=200 if first else 400,
        max_text_tokens=40,
        blocks=(2, 2, 2) if first else (1, 1, 1),
        ctc_classes=CLASSES if ctc else 0,
        text_solo=not first,
        front_end=GENERATION_1 if first else GENERATION_2,
    )


def _tiny_graft(*, ctc: bool, vocabulary: int) -> ModelConfig:
    encoder = EncoderConfig("moonshine", layers=2, width=32, heads=4, inner=64, rotary=4)
    return replace(
        tiny_config(2, ctc=ctc, vocabulary=vocabulary),
        generation=3,
        front_end=SAMPLES,
        encoder=encoder,
        adapter=AdapterConfig(frames=4, width=32, blocks=1, groups=4, inner=48),
        max_mel_frames=40 * 4 * encoder.hop,
    )


def tiny_network(
    generation: int, *, ctc: bool = False, seed: int = 0, stop_token: int = 0, vocabulary: int = 40
) -> GptAsr:
    """Random weights, large enough that the sound matters and that rounding cannot change a choice.

    Drawn here and not by the layers themselves, so that they do not depend on the version of any
    library.
    """
    network = GptAsr(
        replace(tiny_config(generation, ctc=ctc, vocabulary=vocabulary), stop_token=stop_token)
    ).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(network.named_parameters()):
            if weight.ndim > 1:
                size = (
                    0.3
                    if "text_head" in name
                    else 0.1
                    if "gpt" in name
                    else weight[0].numel() ** -0.5
                )
                weight.copy_(size * torch.randn(weight.shape, generator=generator))
            elif name.endswith("bias"):
                weight.zero_()
            elif name.endswith("net.4.weight"):  # residual blocks are near the identity
                weight.fill_(0.1)
    return network


def tiny_checkpoint(generation: int = 2, *, ctc: bool = True) -> Checkpoint:
    tokenizer: Tokenizer = CharacterTokenizer() if generation == 1 else train_bpe(TEXTS, 40)
    network = tiny_network(generation, ctc=ctc)
    return Checkpoint("tiny", network.config, network, tokenizer)


@torch.no_grad()
def plain_beam_search(
    network: GptAsr,
    mel: Tensor,
    lengths: Tensor | None,
    beams: int,
    steps: int,
    ilm_weight: float = 0.0,
) -> list[list[tuple[list[int], float]]]:
    """Tokens (with the stop token) and score of each beam, by one forward pass a beam and step."""
    rows = [
        (mel[row, None], None if lengths is None else lengths[row, None]) for row in range(len(mel))
    ]
    return [_plain_search(network, *row, beams, steps, ilm_weight) for row in rows]


def _plain_search(
    network: GptAsr, mel: Tensor, length: Tensor | None, beams: int, steps: int, ilm_weight: float
) -> list[tuple[list[int], float]]:
    config = network.config
    found: list[tuple[list[int], float]] = [([], 0.0)]
    for _ in range(steps):
        candidates = []
        for tokens, score in found:
            if config.stop_token in tokens:
                candidates.append((tokens, score))
                continue
            read = torch.tensor([[config.start_token, *tokens]])
            log_probs = network(mel, read, length)[0, -1].log_softmax(-1)
            if ilm_weight:
                log_probs = log_probs + ilm_weight * network.lm_logits(read)[0, -1].log_softmax(-1)
            candidates += [
                ([*tokens, token], score + value) for token, value in enumerate(log_probs.tolist())
            ]
        found = sorted(candidates, key=lambda candidate: -candidate[1])[:beams]
    return found


def train_bpe(texts: Iterable[str], vocabulary: int) -> BpeTokenizer:
    """A vocabulary of at most ``vocabulary`` tokens.

    [STOP] is 0, [START] 1, then come every character of ``texts`` and the merges.
    """
    backend = Backend(BPE())
    backend.pre_tokenizer = Metaspace(prepend_scheme="always", split=True)
    trainer = BpeTrainer(
        vocab_size=vocabulary, special_tokens=["[STOP]", "[START]"], show_progress=False
    )
    backend.train_from_iterator((" ".join(text.split()) for text in texts), trainer)
    return BpeTokenizer(backend.to_str())
