"""Generation 3, an open encoder and an adapter before the same GPT, is read and written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gptasr_subs.errors import ModelError
from gptasr_subs.model.checkpoint import load_checkpoint, save_checkpoint
from gptasr_subs.model.config import ModelConfig
from gptasr_subs.model.decoding.decode import DecodingOptions, decode
from gptasr_subs.model.network import GptAsr
from gptasr_subs.recognition.gptasr import GptAsrRecognizer
from tests.support.tiny import tiny_checkpoint, tiny_config, tiny_network

SECOND = 16000


def sounds(*seconds: float) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [0.1 * torch.randn(1, round(length * SECOND), generator=generator) for length in seconds]


def padded(clips: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([clip.shape[1] for clip in clips])
    longest = int(lengths.max())
    return torch.stack(
        [torch.nn.functional.pad(clip, (0, longest - clip.shape[1])) for clip in clips]
    ), lengths


@torch.inference_mode()
def test_positions_do_not_depend_on_the_batch() -> None:
    network = tiny_network(3, ctc=True)
    clips = sounds(1.3, 0.4, 2.0, 0.03)
    together = network.encode(*padded(clips))
    assert together.lengths is not None
    for row, clip in enumerate(clips):
        alone = network.encode(clip[None], torch.tensor([clip.shape[1]]))
        assert alone.lengths is not None and int(alone.lengths) == int(together.lengths[row])
        size = int(alone.lengths)
        torch.testing.assert_close(
            together.features[row, :size], alone.features[0, :size], atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("seconds", [0.01, 0.2, 1.0, 3.8])
def test_a_position_is_four_frames_of_the_encoder(seconds: float) -> None:
    network = tiny_network(3, ctc=True)
    [clip] = sounds(seconds)
    encoded = network.encode(clip[None], torch.tensor([clip.shape[1]]))
    frames = int(network.speech_encoder.encoder.frames(torch.tensor([clip.shape[1]])))
    assert encoded.lengths is not None and int(encoded.lengths) == max(1, -(-frames // 4))
    assert network.config.seconds_per_position == pytest.approx(4 * 384 / SECOND)
    assert int(encoded.lengths) <= network.config.max_mel_positions


def test_the_shape_survives_json() -> None:
    config = tiny_config(3, ctc=True)
    assert ModelConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ModelError, match="needs an encoder"):
        GptAsr(replace(config, encoder=None))


def test_a_checkpoint_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint(3)
    save_checkpoint(tmp_path / "mine", checkpoint, half=False)
    loaded = load_checkpoint(tmp_path / "mine")
    assert loaded.config == checkpoint.config
    given = checkpoint.model.state_dict()
    assert all(torch.equal(value, given[name]) for name, value in loaded.model.state_dict().items())


def test_clips_decode_to_the_same_text_alone_and_together() -> None:
    checkpoint = tiny_checkpoint(3)
    options = DecodingOptions(
        beam_size=3, max_tokens=8, ilm_weight=0.2, min_ctc_log_prob=-1e9, min_ctc_margin=-1e9
    )
    clips = sounds(1.5, 0.7)
    together = decode(checkpoint.model, checkpoint.tokenizer, *padded(clips), options)
    for clip, found in zip(clips, together, strict=True):
        [alone] = decode(checkpoint.model, checkpoint.tokenizer, *padded([clip]), options)
        assert alone.text == found.text


def test_a_recogniser_of_generation_3_takes_samples_at_16_khz() -> None:
    recognizer = GptAsrRecognizer(tiny_checkpoint(3))
    assert recognizer.sample_rate == SECOND
    clips = [clip[0].numpy() for clip in sounds(1.0, 0.5)] + [np.zeros(0, np.float32)]
    found = dict(recognizer.transcribe(clips, beams=2))
    assert sorted(found) == [0, 1, 2] and found[2] == []
    [log_probs] = recognizer.ctc_log_probs(clips[:1])
    assert log_probs.shape[1] == recognizer.checkpoint.config.ctc_classes
    with pytest.raises(ModelError, match="too long"):
        list(recognizer.transcribe([np.zeros(5 * SECOND, np.float32)]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_a_prepared_network_encodes_and_decodes(dtype: torch.dtype) -> None:
    checkpoint, clips = tiny_checkpoint(3), padded(sounds(1.5, 0.7, 0.1))
    plain = checkpoint.model.encode_in_parts(*clips)
    checkpoint.model.prepare_for_inference(dtype)
    prepared = checkpoint.model.encode_in_parts(*clips)
    assert prepared.lengths is not None and plain.lengths is not None
    assert prepared.lengths.tolist() == plain.lengths.tolist()
    for row, size in enumerate(plain.lengths.tolist()):
        expected, found = plain.features[row, :size], prepared.features[row, :size].float()
        assert float((found - expected).norm() / expected.norm()) < 0.03
    found = decode(
        checkpoint.model, checkpoint.tokenizer, *clips, DecodingOptions(beam_size=3, max_tokens=8)
    )
    assert len(found) == 3


@torch.inference_mode()
def test_parts_are_those_of_the_whole_batch() -> None:
    network, clips = tiny_network(3, ctc=True), padded(sounds(1.5, 0.7, 2.1))
    together, parts = network.encode(*clips), network.encode_in_parts(*clips)
    assert together.lengths is not None and parts.lengths is not None
    assert together.lengths.tolist() == parts.lengths.tolist()
    for row, size in enumerate(together.lengths.tolist()):
        expected = together.features[row, :size]
        torch.testing.assert_close(parts.features[row, :size], expected, atol=1e-4, rtol=1e-4)
