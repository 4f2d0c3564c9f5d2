"""The published model's own outputs, recorded on scaled-down networks of both generations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from gptasr_subs.model.checkpoint import Checkpoint, load_published
from gptasr_subs.model.decoding.beam_search import beam_search
from gptasr_subs.model.decoding.decode import DecodingOptions, decode
from gptasr_subs.model.decoding.incremental import IncrementalDecoder
from gptasr_subs.model.log_mel import LogMel

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"
STEPS = 30

pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the recorded reference is not here")


class Recorded(NamedTuple):
    """What the reference put out, and our network with its weights."""

    checkpoint: Checkpoint
    tensors: dict[str, Tensor]


@pytest.fixture(scope="module", params=[1, 2])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Loaded through the same door as any published file."""
    source = REFERENCE / f"generation{request.param}.safetensors"
    tensors, folder = load_file(source), tmp_path_factory.mktemp("published")
    with safe_open(source, "pt") as file:
        heads = json.loads(file.metadata()["config"])["heads"]
    weights = {
        name.removeprefix("weights."): value
        for name, value in tensors.items()
        if name.startswith("weights.")
    }
    save_file(weights, folder / "model.safetensors")
    if request.param == 2:
        vocabulary = "bpe_lowercase_asr_256.json"
        (folder / vocabulary).write_bytes((REFERENCE / vocabulary).read_bytes())
        torch.save(tensors["mel_norms"], folder / "mel_norms.pth")
    return Recorded(load_published(folder / "model.safetensors", heads), tensors)


def test_log_mels_agree(recorded: Recorded) -> None:
    front_end = LogMel(recorded.checkpoint.config.front_end)
    mel = front_end(recorded.tensors["audio_22050hz"])
    torch.testing.assert_close(mel, recorded.tensors["audio_log_mel"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("with_lengths", [False, True])
def test_teacher_forced_logits_agree(recorded: Recorded, with_lengths: bool) -> None:
    checkpoint, tensors = recorded
    lengths = torch.full((3,), tensors["mel"].shape[-1]) if with_lengths else None
    with torch.inference_mode():
        logits = checkpoint.model(tensors["mel"], started(recorded), lengths)
    torch.testing.assert_close(logits, tensors["logits"], atol=1e-4, rtol=0)


def test_cached_steps_agree_with_teacher_forcing(recorded: Recorded) -> None:
    checkpoint, tensors = recorded
    tokens = started(recorded)
    with torch.inference_mode():
        decoder = IncrementalDecoder(checkpoint.model, checkpoint.model.encode(tensors["mel"]), 1)
        steps = [decoder.step(tokens[:, step, None])[:, 0] for step in range(tokens.shape[1])]
    torch.testing.assert_close(
        torch.stack(steps, 1), tensors["logits"].log_softmax(-1), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize(("beams", "expected"), [(1, "greedy_tokens"), (4, "beam4_tokens")])
@pytest.mark.parametrize("rows", [[0, 1, 2], [0], [1], [2]])
def test_tokens_and_scores_agree_alone_and_in_a_batch(
    recorded: Recorded, beams: int, expected: str, rows: list[int]
) -> None:
    checkpoint, tensors = recorded
    mel = tensors["mel"][rows]
    options = DecodingOptions(beam_size=beams, max_tokens=STEPS)
    found = decode(
        checkpoint.model,
        checkpoint.tokenizer,
        mel,
        torch.full((len(rows),), mel.shape[-1]),
        options,
    )
    best = [clip.hypotheses[0] for clip in found]
    assert [list(hypothesis.tokens) for hypothesis in best] == tensors[expected][rows].tolist()
    if beams == 4:
        scores = torch.tensor([hypothesis.score for hypothesis in best])
        torch.testing.assert_close(scores, tensors["beam4_scores"][rows], atol=1e-3, rtol=0)


def test_a_longer_neighbour_in_the_batch_changes_nothing(recorded: Recorded) -> None:
    checkpoint, tensors = recorded
    mel = tensors["mel"]
    frames = mel.shape[-1]
    most = checkpoint.config.max_mel_frames
    padded = torch.zeros(3, mel.shape[1], most)
    padded[..., :frames] = mel
    padded[2] = torch.randn(mel.shape[1], most, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([frames, frames, most])
    with torch.inference_mode():
        found = beam_search(
            checkpoint.model, checkpoint.model.encode(padded, lengths), [STEPS] * 3, 4
        )
    assert [list(clip[0].tokens) for clip in found[:2]] == tensors["beam4_tokens"][:2].tolist()


def test_the_recorded_vocabulary_reads_what_it_writes(recorded: Recorded) -> None:
    tokenizer = recorded.checkpoint.tokenizer
    assert tokenizer.size == recorded.checkpoint.config.start_token
    text = "the thing, you know, was over there."
    assert tokenizer.decode(tokenizer.encode(text)) == text
    if recorded.checkpoint.config.generation == 2:
        assert tokenizer.encode("the  Thing") == tokenizer.encode("the thing")
        assert max(tokenizer.encode(text)) > 100  # merges are used


def started(recorded: Recorded) -> Tensor:
    """The recorded text behind the start token."""
    start = torch.full((3, 1), recorded.checkpoint.config.start_token)
    return torch.cat([start, recorded.tensors["text"]], 1)


def test_the_recorded_configuration_is_recognised(recorded: Recorded) -> None:
    config = recorded.checkpoint.config
    assert (config.layers, config.width, config.heads, config.max_text_tokens) == (2, 64, 4, 40)
    assert config.max_mel_frames == (200 if config.generation == 1 else 400)
