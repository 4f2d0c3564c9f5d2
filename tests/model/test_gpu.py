"""On a GPU: the same tokens as on the processor. Run with ``pytest -m gpu``."""

from __future__ import annotations

import pytest
import torch

from gptasr_subs.evaluation.speed import Setting, measure, random_recognizer
from gptasr_subs.model.decoding.beam_search import beam_search
from tests.support.searches import STEPS, eager_to_stop, ragged_mels

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("beams", [1, 3])
@torch.inference_mode()
def test_the_search_finds_what_it_finds_on_the_processor(generation: int, beams: int) -> None:
    mel, lengths = ragged_mels(generation)
    network = eager_to_stop(generation, 0)
    here = beam_search(network, network.encode(mel, lengths), [STEPS] * 4, beams)
    network.to("cuda").prepare_for_inference()
    there = beam_search(network, network.encode(mel.cuda(), lengths.cuda()), [STEPS] * 4, beams)
    for one, other in zip(here, there, strict=True):
        assert [beam.tokens for beam in other] == [beam.tokens for beam in one]
        assert [beam.log_prob for beam in other] == pytest.approx(
            [beam.log_prob for beam in one], abs=1e-2
        )


def test_speed_and_memory_can_be_measured() -> None:
    timing = measure(random_recognizer("small", "cuda"), Setting(2, 4, 20, seconds=4.0), runs=1)
    assert min(timing.front_end, timing.prefill, timing.steps, timing.peak) > 0
