"""The cached search finds what a plain one finds; no text comes from loops or silence."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gptasr_subs.model import ctc
from gptasr_subs.model.decoding.beam_search import beam_search, cut_loop, loop_period
from gptasr_subs.model.decoding.decode import (
    Decoded,
    DecodingOptions,
    Hypothesis,
    decode,
    rescored,
    token_limit,
)
from gptasr_subs.model.decoding.incremental import IncrementalDecoder
from gptasr_subs.model.tokenizer import CharacterTokenizer
from tests.support.searches import STEPS, eager_to_stop, ragged_mels
from tests.support.tiny import plain_beam_search, tiny_network

OPTIONS = DecodingOptions(
    beam_size=3,
    max_tokens=STEPS,
    min_ctc_letters=0,
    min_ctc_margin=-math.inf,
    min_ctc_log_prob=-math.inf,
)


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_search_finds_what_a_plain_search_finds(generation: int, beams: int, seed: int) -> None:
    network = eager_to_stop(generation, seed)
    mel, lengths = ragged_mels(generation)
    with torch.inference_mode():
        found = beam_search(
            network, network.encode(mel, lengths), [STEPS] * 4, beams, early_stop_margin=math.inf
        )
    stop = network.config.stop_token
    for clip, plain in zip(
        found, plain_beam_search(network, mel, lengths, beams, STEPS), strict=True
    ):
        expected = {
            (tuple(t for t in tokens if t != stop), stop in tokens): score
            for tokens, score in plain
        }
        got = {(beam.tokens, beam.ended): beam.log_prob for beam in clip}
        assert got == pytest.approx(expected, abs=1e-3)
        for beam in clip:
            assert len(beam.token_log_probs) == len(beam.tokens)
            assert sum(beam.token_log_probs) >= beam.log_prob - 1e-3


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_ilm_counts_by_its_weight(beams: int, seed: int) -> None:
    network = eager_to_stop(2, seed)
    mel, lengths = ragged_mels(2)
    with torch.inference_mode():
        encoded = network.encode(mel, lengths)
        found = beam_search(
            network, encoded, [STEPS] * 4, beams, early_stop_margin=math.inf, ilm_weight=0.7
        )
        without = beam_search(network, encoded, [STEPS] * 4, beams, early_stop_margin=math.inf)
    stop = network.config.stop_token
    for clip, plain in zip(
        found, plain_beam_search(network, mel, lengths, beams, STEPS, 0.7), strict=True
    ):
        expected = {tuple(t for t in tokens if t != stop): score for tokens, score in plain}
        assert {beam.tokens: beam.log_prob + beam.ilm_log_prob for beam in clip} == pytest.approx(
            expected, abs=1e-3
        )
    assert [[beam.tokens for beam in clip] for clip in found] != [
        [beam.tokens for beam in clip] for clip in without
    ]


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_plain_search_meets_stops_at_many_steps_and_limits(generation: int, seed: int) -> None:
    network = eager_to_stop(generation, seed)
    mel, lengths = ragged_mels(generation)
    beams = [
        tokens for clip in plain_beam_search(network, mel, lengths, 3, STEPS) for tokens, _ in clip
    ]
    ended = {len(tokens) for tokens in beams if network.config.stop_token in tokens}
    assert len(ended) >= 3
    assert any(network.config.stop_token not in tokens for tokens in beams)


def test_the_search_ends_early_where_the_best_cannot_change() -> None:
    network = eager_to_stop(2, 0)
    mel, lengths = ragged_mels(2)
    with torch.inference_mode():
        encoded = network.encode(mel, lengths)
        early, late = (
            beam_search(network, encoded, [STEPS] * 4, 3, early_stop_margin=margin)
            for margin in (0.0, math.inf)
        )
    assert [clip[0].tokens for clip in early] == [clip[0].tokens for clip in late]
    assert sum(beam.ended for clip in early for beam in clip) < sum(
        beam.ended for clip in late for beam in clip
    )


@pytest.mark.parametrize("generation", [1, 2])
def test_one_clip_or_many_in_a_batch_are_equal(generation: int) -> None:
    network = eager_to_stop(generation, 1)
    mel, lengths = ragged_mels(generation)
    tokenizer = CharacterTokenizer()
    together = decode(network, tokenizer, mel, lengths, OPTIONS)
    for row, length in enumerate(lengths.tolist()):
        (alone,) = decode(
            network, tokenizer, mel[row, None, :, :length], lengths[row, None], OPTIONS
        )
        assert [h.tokens for h in alone.hypotheses] == [h.tokens for h in together[row].hypotheses]
        assert alone.hypotheses[0].score == pytest.approx(
            together[row].hypotheses[0].score, abs=1e-3
        )


@pytest.mark.parametrize(("generation", "alone"), [(1, False), (2, False), (2, True)])
def test_steps_agree_with_teacher_forcing_as_beams_swap(generation: int, alone: bool) -> None:
    network = tiny_network(generation)
    mel, lengths = ragged_mels(generation)
    tokens = torch.randint(2, 40, (4, 2, 6), generator=torch.Generator().manual_seed(0))
    tokens[..., 0] = network.config.start_token
    swap = torch.tensor([1, 0])
    with torch.inference_mode():
        decoder = IncrementalDecoder(network, network.encode(mel, lengths), 2, alone)
        for step in range(3):
            decoder.step(tokens[:, :, step])
        decoder.reorder(swap.expand(4, -1))
        rows = torch.tensor([1, 3])
        decoder.retain(rows)
        history = torch.cat([tokens[:, swap, :3], tokens[:, :, 3:]], -1)[rows]
        for step in range(3, 6):
            got = decoder.step(history[:, :, step])
        for beam in range(2):
            logits = network(mel[rows], history[:, beam], lengths[rows])[:, -1]
            torch.testing.assert_close(got[:, beam], logits.log_softmax(-1), atol=2e-4, rtol=0)
            if alone:
                assert decoder.ilm_log_probs is not None
                alone_logits = network.lm_logits(history[:, beam])[:, -1]
                torch.testing.assert_close(
                    decoder.ilm_log_probs[:, beam], alone_logits.log_softmax(-1), atol=2e-4, rtol=0
                )


def test_a_network_without_text_solo_has_no_ilm() -> None:
    network = tiny_network(1)
    mel, lengths = ragged_mels(1)
    with torch.inference_mode():
        encoded = network.encode(mel, lengths)
        assert IncrementalDecoder(network, encoded, 2, with_ilm=True).rows == 2
        assert beam_search(network, encoded, [STEPS] * 4, 2, ilm_weight=0.5) == beam_search(
            network, encoded, [STEPS] * 4, 2
        )


def test_the_cache_grows_past_its_first_size() -> None:
    network = tiny_network(2)
    mel, lengths = ragged_mels(2)
    tokens = torch.randint(2, 40, (4, 1, 40), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        decoder = IncrementalDecoder(network, network.encode(mel, lengths), 1)
        got = torch.stack([decoder.step(tokens[:, :, step])[:, 0] for step in range(40)], 1)
        torch.testing.assert_close(
            got, network(mel, tokens[:, 0], lengths).log_softmax(-1), atol=2e-4, rtol=0
        )


@pytest.mark.parametrize("beams", [2, 6])
def test_the_cache_grows_without_what_no_beam_sees_any_more(beams: int) -> None:
    network = tiny_network(2)
    mel, lengths = ragged_mels(2)
    chance = torch.Generator().manual_seed(0)
    histories = torch.empty(4, beams, 0, dtype=torch.long)
    with torch.inference_mode():
        decoder = IncrementalDecoder(network, network.encode(mel, lengths), beams)
        for _ in range(40):
            tokens = torch.randint(2, 40, (4, beams), generator=chance)
            got, histories = decoder.step(tokens), torch.cat([histories, tokens[..., None]], 2)
            parents = torch.randint(beams, (4, beams), generator=chance)
            decoder.reorder(parents)
            latest, histories = histories, histories.take_along_dim(parents[..., None], 1)
        for beam in range(beams):
            logits = network(mel, latest[:, beam], lengths)[:, -1]
            torch.testing.assert_close(got[:, beam], logits.log_softmax(-1), atol=2e-4, rtol=0)
    assert decoder.used < 40 + 40 * beams


def test_mel_positions_are_kept_once_a_clip_not_once_a_beam() -> None:
    network = tiny_network(2)
    mel, lengths = ragged_mels(2)
    with torch.inference_mode():
        decoder = IncrementalDecoder(network, network.encode(mel, lengths), 8)
    assert (decoder.used, decoder.keys[0].shape[:3]) == (40, (4, 4, 16))
    assert decoder.keys[0][..., :40].count_nonzero() > 0 and not decoder.keys[0][..., 40:].any()


def test_more_beams_never_find_a_worse_best() -> None:
    network = eager_to_stop(2, 1)
    mel, lengths = ragged_mels(2)
    with torch.inference_mode():
        encoded = network.encode(mel, lengths)
        greedy, wide = (
            beam_search(network, encoded, [STEPS] * 4, beams, early_stop_margin=math.inf)
            for beams in (1, 30)
        )
    for one, many in zip(greedy, wide, strict=True):
        assert max(beam.log_prob for beam in many) >= one[0].log_prob - 1e-4


def test_limits_are_each_clips_own() -> None:
    network = tiny_network(2)
    with torch.no_grad():
        network.text_head.bias[0] = -1e4  # never stops
    mel, lengths = ragged_mels(2)
    with torch.inference_mode():
        found = beam_search(network, network.encode(mel, lengths), [3, 7, 1, 5], 2)
    assert [len(clip[0].tokens) for clip in found] == [3, 7, 1, 5]
    assert not any(beam.ended for clip in found for beam in clip)


def test_token_limit_follows_the_clip_and_the_network() -> None:
    network = tiny_network(2)
    second = round(network.config.front_end.frames_per_second)
    options = DecodingOptions(tokens_per_second=20.0)
    assert token_limit(network, second // 10, options) == 16
    assert token_limit(network, second, options) in (20, 21)
    assert token_limit(network, 100 * second, options) == network.config.max_text_tokens
    assert token_limit(network, second, replace(options, max_tokens=5)) == 5


@pytest.mark.parametrize(
    ("tokens", "period", "kept"),
    [
        ([1, 2, 3] + [7] * 24, 1, [1, 2, 3, 7]),
        ([9, 4, 5, 6] + [7, 8, 9] * 8, 3, [9, 4, 5, 6, 7, 8, 9]),
        (list(range(10, 30)) * 4, 20, list(range(10, 30))),
        ([1, 2, 3] + [7] * 23, 0, [1, 2, 3] + [7] * 23),
        ([4, 5] * 4, 0, [4, 5] * 4),  # "no, no, no, no"
        (list(range(40)), 0, list(range(40))),
        ([], 0, []),
    ],
)
def test_loops_are_found_and_cut_to_one_turn(
    tokens: list[int], period: int, kept: list[int]
) -> None:
    assert loop_period(tokens) == period
    assert cut_loop(tokens) == kept


def test_a_network_stuck_in_a_loop_says_it_once() -> None:
    network = tiny_network(2)
    with torch.no_grad():
        network.text_head.weight.zero_()
        network.text_head.bias.zero_()
        network.text_head.bias[5] = 9.0
    mel, lengths = ragged_mels(2)
    with torch.inference_mode():
        found = beam_search(network, network.encode(mel, lengths), [40] * 4, 1)
    assert [(clip[0].tokens, clip[0].ended) for clip in found] == [((5,), False)] * 4
    assert found[0][0].log_prob == pytest.approx(found[0][0].token_log_probs[0])


def spoken(text: str, frames: int = 60, sure: float = 0.9) -> Tensor:
    """CTC log-probabilities (T, C) that read as ``text``, every third frame a letter."""
    probs = torch.full((frames, ctc.CLASSES), (1 - sure) / (ctc.CLASSES - 1))
    letters = dict(zip(range(1, frames, 3), ctc.encode(text), strict=False))
    for frame in range(frames):
        probs[frame, letters.get(frame, 0)] = sure
    return probs.log()


def hypothesis(text: str, log_prob: float) -> Hypothesis:
    return Hypothesis((1,), text, log_prob, log_prob, (log_prob,), True)


def test_ctc_has_a_say_in_which_hypothesis_wins() -> None:
    readings = [hypothesis("the dog", -1.0), hypothesis("the cat", -3.0)]
    best, second = rescored(readings, spoken("the cat"), DecodingOptions(ctc_weight=0.5))
    assert (best.text, second.text) == ("the cat", "the dog")
    assert best.ctc_log_prob is not None
    assert best.score == pytest.approx(-3.0 + 0.5 * best.ctc_log_prob)
    deaf = DecodingOptions(ctc_weight=0.0, min_ctc_margin=-math.inf, min_ctc_log_prob=-math.inf)
    assert rescored(readings, spoken("the cat"), deaf)[0].text == "the dog"


@pytest.mark.parametrize("text", ["thank you for watching", "...", ""])
def test_what_ctc_does_not_hear_is_no_text(text: str) -> None:
    assert rescored([hypothesis(text, -0.5)], spoken(""), DecodingOptions()) == ()


def test_a_text_too_long_for_the_clip_is_not_believed() -> None:
    readings = [hypothesis("much too long a text for this", -0.1), hypothesis("hi", -5.0)]
    found = rescored(readings, spoken("hi", frames=8), DecodingOptions())
    assert found[0].text == "hi"
    assert rescored(readings[:1], spoken("hi", frames=8), DecodingOptions(ctc_weight=0.0)) == ()


def test_clips_without_a_letter_give_no_text_and_cost_no_search() -> None:
    network = tiny_network(2, ctc=True)
    assert network.ctc_head is not None
    with torch.no_grad():
        network.ctc_head.linear.weight.zero_()
        network.ctc_head.linear.bias.view(-1, ctc.CLASSES)[:, ctc.BLANK] = 9.0
    mel, lengths = ragged_mels(2)
    decoded = decode(network, CharacterTokenizer(), mel, lengths, DecodingOptions())
    assert [clip.text for clip in decoded] == [""] * 4
    assert [len(frames) for frames in map(ctc_frames, decoded)] == [120, 93, 120, 15]


def ctc_frames(clip: Decoded) -> list[list[float]]:
    assert clip.ctc_log_probs is not None
    frames: list[list[float]] = clip.ctc_log_probs.tolist()
    return frames


def test_ctc_checkpoints_decode_alike_alone_and_together() -> None:
    network = tiny_network(2, ctc=True)
    mel, lengths = ragged_mels(2)
    options = replace(OPTIONS, ctc_weight=0.3)
    together = decode(network, CharacterTokenizer(), mel, lengths, options)
    for row, length in enumerate(lengths.tolist()):
        (alone,) = decode(
            network, CharacterTokenizer(), mel[row, None, :, :length], lengths[row, None], options
        )
        assert [h.tokens for h in alone.hypotheses] == [h.tokens for h in together[row].hypotheses]
        torch.testing.assert_close(
            torch.tensor(ctc_frames(alone)),
            torch.tensor(ctc_frames(together[row])),
            atol=1e-4,
            rtol=0,
        )
