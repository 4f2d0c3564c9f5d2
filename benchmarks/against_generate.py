"""Our decoding against Hugging Face's ``generate``: same network, same number of tokens, in pairs.

The other side is the usual way, and the reference's: float32, a dynamic cache, the mel positions
computed and kept for each beam of each clip. Both sides get the same log-mels and encode them once
a clip. With ``--precision float32`` like is compared with like; without it our side multiplies as
it does by default.

    python benchmarks/against_generate.py --config medium --batch-size 8 --beams 1,8 --tokens 120
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel

from gptasr_subs.evaluation.speed import Setting, force_steps, machine
from gptasr_subs.model.config import PUBLISHED, ModelConfig
from gptasr_subs.model.decoding.incremental import IncrementalDecoder
from gptasr_subs.model.network import GptAsr
from gptasr_subs.recognition.gptasr import number_format


class _Head(nn.Module):
    """GPT-ASR's norm and text head in the place of GPT-2's head."""

    def __init__(self, network: GptAsr) -> None:
        super().__init__()
        self.final_norm, self.text_head = network.final_norm, network.text_head

    def forward(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.text_head(self.final_norm(hidden))
        return logits


class _Reference(GPT2LMHeadModel):  # type: ignore[misc]
    """The library's GPT-2 with our weights, which adds GPT-ASR's text positions to its input."""

    def use(self, network: GptAsr) -> None:
        self.network = network
        self.lm_head = _Head(network)
        self.transformer.wpe.weight.data.zero_()  # generation 2 has no such table
        self.transformer.load_state_dict(network.gpt.state_dict(), strict=False)
        self.step = 0

    def forward(
        self, input_ids: Tensor | None = None, inputs_embeds: Tensor | None = None, **rest: Any
    ) -> Any:
        if inputs_embeds is None and input_ids is not None:
            self.step += 1
            inputs_embeds = self.network.embed_text(input_ids, self.step)
        return super().forward(inputs_embeds=inputs_embeds, **rest)


@dataclass(frozen=True)
class Sides:
    """Both ways to decode ``mel`` (B, n_mels, T)."""

    ours: Callable[[], object]
    theirs: Callable[[], object]


def reference_of(network: GptAsr) -> _Reference:
    """The library's model over the weights of ``network``."""
    config = network.config
    positions = config.max_mel_positions + config.max_text_tokens + 2
    shape = {
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_positions": positions,
    }
    reference = _Reference(
        GPT2Config(
            vocab_size=config.vocabulary,
            bos_token_id=None,
            eos_token_id=None,
            tie_word_embeddings=False,
            **shape,
        )
    ).eval()
    reference.use(network)
    return reference


def make_sides(config: ModelConfig, setting: Setting, precision: torch.dtype) -> Sides:
    """Random weights, the same on both sides."""
    torch.manual_seed(0)
    network = GptAsr(config).eval()
    reference, ours = reference_of(network), deepcopy(network)
    ours.prepare_for_inference(precision)
    frames = min(config.max_mel_frames, int(setting.seconds * config.front_end.frames_per_second))
    mel, lengths = torch.randn(setting.batch, 80, frames), torch.full((setting.batch,), frames)
    wanted = GenerationConfig(
        max_new_tokens=setting.tokens,
        min_new_tokens=setting.tokens,
        num_beams=setting.beams,
        do_sample=False,
        use_cache=True,
        eos_token_id=config.stop_token,
        pad_token_id=config.stop_token,
        bos_token_id=config.start_token,
    )

    def generate() -> Tensor:
        prefix, _ = network.prefix(network.encode(mel, lengths))
        reference.step = 0
        start = network.embed_text(torch.full((setting.batch, 1), config.start_token))
        written: Tensor = reference.generate(
            inputs_embeds=torch.cat([prefix, start], 1), generation_config=wanted
        )
        return written

    def decode() -> None:
        force_steps(
            IncrementalDecoder(ours, ours.encode_in_parts(mel, lengths), setting.beams),
            ours,
            setting,
        )

    return Sides(decode, generate)


def compare(sides: Sides, runs: int) -> dict[str, float]:
    """Medians in seconds of alternating runs, and that of the ratios of each pair."""
    pairs = [(_seconds(sides.theirs), _seconds(sides.ours)) for _ in range(runs + 1)][1:]
    theirs, ours = (median(side) for side in zip(*pairs, strict=True))
    return {
        "generate": theirs,
        "gptasr_subs": ours,
        "ratio": median(left / right for left, right in pairs),
    }


@torch.inference_mode()
def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Print a line for each width of the beam search."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", choices=sorted(PUBLISHED), default="medium")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--beams", default="1,8")
    parser.add_argument("--tokens", type=int, default=120)
    parser.add_argument("--seconds", type=float, default=16.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--precision", choices=["float32", "bfloat16", "auto"], default="auto")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    precision = (
        number_format("cpu") if wanted.precision == "auto" else getattr(torch, wanted.precision)
    )
    print(f"# {wanted.config}, ours in {precision}; {machine('cpu')}")
    for beams in map(int, wanted.beams.split(",")):
        setting = Setting(wanted.batch_size, beams, wanted.tokens, wanted.seconds)
        found = compare(make_sides(PUBLISHED[wanted.config], setting, precision), wanted.runs)
        if wanted.json:
            print(json.dumps({"beams": beams, **found}))
        else:
            seconds = (
                f"generate {found['generate']:.2f} s, gptasr-subs {found['gptasr_subs']:.2f} s"
            )
            print(
                f"batch {setting.batch}, {beams} beams, {setting.tokens} tokens: {seconds},"
                f" ratio {found['ratio']:.1f}"
            )


if __name__ == "__main__":
    main()
