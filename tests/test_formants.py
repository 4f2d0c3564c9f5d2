"""Formants are moved as in training, and each clip is read as the CTC head is surest of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import tiny_network
from torch import Tensor

from gptasr_subs.model.config import GENERATION_2, FrontEnd
from gptasr_subs.model.decoding import DecodingOptions, decode
from gptasr_subs.model.formants import moved, surest
from gptasr_subs.model.tokenizer import CharacterTokenizer
from gptasr_subs.training.augmentation import warp
from gptasr_subs.training.corpora import normalised

FACTORS = (0.9, 0.95, 1.05, 1.1)


def front_end() -> FrontEnd:
    rng = np.random.default_rng(1)
    shift, scale = rng.normal(-6, 2, 80), rng.uniform(0.5, 3, 80)
    return replace(GENERATION_2, shift=tuple(shift.tolist()), scale=tuple(scale.tolist()))


def ragged() -> tuple[Tensor, Tensor]:
    return torch.randn(5, 80, 240, generator=torch.Generator().manual_seed(2)), torch.tensor([240, 239, 160, 100, 48])


@pytest.mark.parametrize("factor", [1.0, *FACTORS])
def test_formants_move_as_in_training(factor: float) -> None:
    front, log_mel = front_end(), np.random.default_rng(0).normal(-6, 3, (30, 80)).astype(np.float32)
    got = moved(torch.from_numpy(normalised(log_mel, front)).T[None], factor, front)[0].T
    np.testing.assert_allclose(got, normalised(warp(log_mel, factor), front), atol=1e-4)


def test_each_clip_is_read_as_the_ctc_head_is_surest_of_it() -> None:
    network = tiny_network(2, ctc=True, seed=3)
    mel, lengths = ragged()
    with torch.inference_mode():
        encoded, log_probs = surest(network, mel, lengths, FACTORS)
        ways = [surest(network, moved(mel, factor, GENERATION_2), lengths, ()) for factor in (1.0, *FACTORS)]
    assert encoded.lengths is not None
    chosen = []
    for clip, positions in enumerate(encoded.lengths.tolist()):
        sure = [float(heard[clip, : 3 * positions].amax(-1).mean()) for _, heard in ways]
        best = int(np.argmax(sure))
        torch.testing.assert_close(log_probs[clip, : 3 * positions], ways[best][1][clip, : 3 * positions])
        torch.testing.assert_close(encoded.features[clip, :positions], ways[best][0].features[clip, :positions])
        chosen.append(best)
    assert len(set(chosen)) > 1


def test_a_clip_is_heard_alike_in_any_batch() -> None:
    network = tiny_network(2, ctc=True, seed=3)
    mel, lengths = ragged()
    options = DecodingOptions(
        beams=2, max_tokens=6, least_letters=0, least_evidence=-9e9, least_ctc=-9e9, formants=FACTORS
    )
    together = decode(network, CharacterTokenizer(), mel, lengths, options)
    for clip, size in enumerate(lengths.tolist()):
        alone = decode(network, CharacterTokenizer(), mel[clip : clip + 1, :, :size], lengths[clip : clip + 1], options)
        assert alone[0].text == together[clip].text
