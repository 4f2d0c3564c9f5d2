"""The open encoders alone: against those of transformers, in batches, and at the ends of clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gptasr_subs.errors import ModelError
from gptasr_subs.model.config import EncoderConfig
from gptasr_subs.model.encoder import build_encoder, rotate, rotations
from gptasr_subs.model.log_mel import WhisperLogMel
from gptasr_subs.training.encoders import load_encoder

MOONSHINE = EncoderConfig(kind="moonshine", layers=2, width=32, heads=2, inner=64, rotary=8)
WHISPER = EncoderConfig(
    kind="whisper",
    layers=2,
    width=32,
    heads=2,
    inner=64,
    max_frames=60,
    n_mels=16,
)
FIELD = 895  # samples that one frame of Moonshine needs


def fresh(config: EncoderConfig) -> nn.Module:
    """An encoder with weights that leave nothing at 0 or 1."""
    torch.manual_seed(1)
    encoder = build_encoder(config).eval()
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, mean=0.1, std=0.2)
    return encoder


def sound(channels: int, lengths: list[int]) -> Tensor:
    """Clips of noise, and louder noise past their ends, which must change nothing."""
    noise = torch.randn(len(lengths), channels, max(lengths), generator=torch.manual_seed(2))
    inside = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None, None]
    return torch.where(inside, noise, 10 * noise)


@torch.inference_mode()
def encode(encoder: nn.Module, x: Tensor, lengths: list[int]) -> tuple[Tensor, list[int]]:
    frames, counts = encoder(x, torch.tensor(lengths))
    return frames, counts.tolist()


def assert_independent(encoder: nn.Module, x: Tensor, lengths: list[int]) -> None:
    """Each clip has the same frames alone as in the batch, and zeros after them."""
    together, counts = encode(encoder, x, lengths)
    for row, (length, count) in enumerate(zip(lengths, counts, strict=True)):
        alone, (own,) = encode(encoder, x[row : row + 1, :, :length], [length])
        assert own == count
        torch.testing.assert_close(together[row, :count], alone[0, :count], rtol=0, atol=1e-4)
        assert not together[row, count:].any()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 6000), min_size=1, max_size=4))
def test_what_a_moonshine_batch_holds_changes_no_clip(lengths: list[int]) -> None:
    assert_independent(fresh(MOONSHINE), sound(1, lengths), lengths)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 120), min_size=1, max_size=4))
def test_what_a_whisper_batch_holds_changes_no_clip(lengths: list[int]) -> None:
    assert_independent(fresh(WHISPER), sound(16, lengths), lengths)


@pytest.mark.parametrize("pause", [0, 1, 383, 384, 5000])
def test_a_moonshine_frame_lasts_384_samples(pause: int) -> None:
    lengths = [FIELD + pause, FIELD - 1, 127, 1, 0]
    frames, counts = encode(fresh(MOONSHINE), sound(1, lengths), lengths)
    assert counts == [1 + pause // 384, 0, 0, 0, 0]
    assert frames.shape == (5, counts[0], 32)
    assert frames.isfinite().all()


@pytest.mark.parametrize(("mels", "count"), [(0, 0), (1, 1), (2, 1), (3, 2), (119, 60), (120, 60)])
def test_a_whisper_frame_lasts_two_mel_frames(mels: int, count: int) -> None:
    frames, counts = encode(fresh(WHISPER), torch.randn(1, 16, mels), [mels])
    assert counts == [count]
    assert frames.shape == (1, max(count, 1), 32)
    assert frames.isfinite().all()


def test_a_clip_that_outlasts_the_position_table_is_refused() -> None:
    with pytest.raises(ModelError, match=r"1\.2 s is longer .* at most 1 s"):
        encode(fresh(WHISPER), torch.randn(1, 16, 121), [121])


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ModelError, match="no encoder 'conformer'"):
        build_encoder(EncoderConfig("conformer", 1, 8, 1, 8))  # type: ignore[arg-type]


@pytest.mark.parametrize("config", [MOONSHINE, WHISPER], ids=["moonshine", "whisper"])
def test_all_weights_learn_from_a_ragged_batch_with_an_empty_clip(config: EncoderConfig) -> None:
    encoder = fresh(config).train()
    lengths = [4000, 2000, 0] if config.kind == "moonshine" else [80, 31, 0]
    x = sound(1 if config.kind == "moonshine" else 16, lengths)
    frames, _ = encoder(x, torch.tensor(lengths))
    frames.square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_seconds_and_frames() -> None:
    assert MOONSHINE.frames_per_second == pytest.approx(41.667, abs=1e-3)
    assert WHISPER.frames_per_second == 50


@pytest.mark.parametrize("rotary", [0.62, 0.9, 1.0])
def test_moonshine_is_that_of_transformers(tmp_path: Path, rotary: float) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.MoonshineConfig(
        hidden_size=48,
        intermediate_size=96,
        encoder_num_hidden_layers=2,
        decoder_num_hidden_layers=1,
        encoder_num_attention_heads=2,
        decoder_num_attention_heads=2,
        vocab_size=20,
        partial_rotary_factor=rotary,
        initializer_range=0.2,
    )
    theirs = transformers.MoonshineModel(config).eval()
    theirs.save_pretrained(tmp_path)
    _, ours, _ = load_encoder(tmp_path)
    samples = sound(1, [9000, 9000])
    frames, _ = encode(ours, samples, [9000, 9000])
    with torch.inference_mode():
        expected = theirs.encoder(samples[:, 0]).last_hidden_state
    torch.testing.assert_close(frames, expected, rtol=0, atol=1e-4)


def test_whisper_is_that_of_transformers(tmp_path: Path) -> None:
    theirs = _whisper_of_transformers()
    theirs.save_pretrained(tmp_path)
    _, ours, _ = load_encoder(tmp_path)
    mels = sound(16, [100, 100])
    frames, _ = encode(ours, mels, [100, 100])
    with torch.inference_mode():
        expected = theirs.encoder(mels).last_hidden_state
    torch.testing.assert_close(frames, expected, rtol=0, atol=1e-4)


def _whisper_of_transformers() -> nn.Module:
    transformers = pytest.importorskip("transformers")
    config = transformers.WhisperConfig(
        d_model=32,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        vocab_size=20,
        max_source_positions=50,
        num_mel_bins=16,
        init_std=0.2,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=0,
    )
    model: nn.Module = transformers.WhisperModel(config).eval()
    return model


def test_the_fresh_position_table_is_whispers() -> None:
    theirs = _whisper_of_transformers().encoder.embed_positions.weight
    torch.testing.assert_close(fresh(WHISPER).embed_positions[:50], theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("samples", [160, 8000, 16123])
def test_log_mels_are_whispers(n_mels: int, samples: int) -> None:
    transformers = pytest.importorskip("transformers")
    clips = 0.1 * sound(1, [samples, samples])[:, 0]
    clips[1, samples // 2 :] = 0  # the floor of 80 dB is the clip's own
    extractor = transformers.WhisperFeatureExtractor(feature_size=n_mels)
    padded = np.pad(clips.numpy(), ((0, 0), (0, 16000)))
    found = extractor(list(padded), sampling_rate=16000, padding="longest", return_tensors="np")
    expected = torch.from_numpy(found.input_features)
    kept = WhisperLogMel(n_mels)(clips)
    torch.testing.assert_close(kept, expected[..., : samples // 160], rtol=0, atol=1e-5)


def test_log_mels_of_hardly_any_sound() -> None:
    assert WhisperLogMel()(torch.zeros(2, 0)).shape == (2, 80, 0)
    assert WhisperLogMel()(torch.zeros(2, 170)).shape == (2, 80, 1)


def test_zeros_after_a_short_clip_change_none_of_its_log_mels() -> None:
    clip = 0.1 * sound(1, [5000])[:, 0]
    log_mel = WhisperLogMel()
    padded = log_mel(torch.nn.functional.pad(clip, (0, 7000)))
    torch.testing.assert_close(padded[..., : 5000 // 160], log_mel(clip), rtol=0, atol=1e-5)


@pytest.mark.parametrize("depth", [10, 13])
def test_heads_turn_alike_in_training_and_without(depth: int) -> None:
    x, turns = torch.randn(2, 3, 4, 20, depth), rotations(20, 6, like=torch.zeros(1))
    learning = rotate(x.clone().requires_grad_(), turns)
    found = rotate(x.clone(), turns)
    torch.testing.assert_close(found, learning.detach())
    rounded = rotate(x.bfloat16(), turns)
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), found, atol=0.03, rtol=0.02)
