"""Terms that the search lost take the place of the words spoken there, and are scored like them."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from gptasr_subs.model import ctc
from gptasr_subs.model.decoding.decode import DecodingOptions, decode
from gptasr_subs.model.decoding.incremental import IncrementalDecoder
from gptasr_subs.model.decoding.second_pass import read_texts, replace_words
from gptasr_subs.model.decoding.spotting import TermSpotter
from gptasr_subs.model.network import Encoded
from gptasr_subs.types import FloatArray
from tests.support.tiny import tiny_checkpoint

SURE = -0.01
LIKELY = -2.0
NEVER = -20.0
STOP = 0


def read(text: str) -> FloatArray:
    """What a head says that reads ``text``, two frames a letter, all others nearly as unlikely."""
    log_probs = np.full((2 * len(text), ctc.CLASSES), LIKELY, dtype=np.float32)
    log_probs[1::2] = NEVER
    log_probs[1::2, ctc.BLANK] = SURE
    for index, character in enumerate(text):
        log_probs[2 * index, ctc.ALPHABET.index(character)] = SURE
    return log_probs


@pytest.mark.parametrize(
    ("text", "heard", "term", "expected"),
    [
        ("We saw Bicard, there.", "we saw bicard there", "Picard", "We saw Picard, there."),
        ("(Seven golly) played.", "seven golly played", "Sevengolly", "(Sevengolly) played."),
        ("Oh, sheila now", "oh sheila now", "She La", "Oh, She La now"),
        ("We saw Picard there.", "we saw picard there", "Picard", None),
        ("A \\1 picart", "a picart", "Picard", "A \\1 Picard"),
    ],
)
def test_a_term_takes_the_place_of_what_is_spoken_there(
    text: str, heard: str, term: str, expected: str | None
) -> None:
    found = replace_words(text, read(heard), [(term, 0.1)], TermSpotter([(term, 2.0)]))
    bonus = 2.0 * 1.5 * len(term.replace(" ", "")) + math.log(64)
    assert found == ([(expected, pytest.approx(bonus))] if expected else [])


def test_only_the_terms_that_are_worth_most_are_tried() -> None:
    terms = [("wa", 1.0), ("sew", 0.1), ("bicart", 1.0), ("picard", 1.0), ("ve", 1.0), ("de", 1.0)]
    found = replace_words("We saw Bicard", read("we saw bicard"), terms, TermSpotter(terms))
    texts = [text for text, _ in found]
    assert len(texts) == 4 and texts[:2] == ["We saw bicart", "We saw picard"]


@torch.inference_mode()
def test_a_text_is_read_with_the_score_that_the_search_gives_it() -> None:
    checkpoint = tiny_checkpoint()
    network, tokenizer = checkpoint.model, checkpoint.tokenizer
    mel = torch.randn(2, 80, 120, generator=torch.Generator().manual_seed(1))
    encoded = network.encode(mel, torch.tensor([120, 90]))
    assert encoded.lengths is not None
    clip = Encoded(encoded.features[1:], encoded.lengths[1:])
    text = "the matter"
    (beam,) = read_texts(network, tokenizer, clip, [text], ilm_weight=0.4)
    assert beam.tokens == tuple(tokenizer.encode(text)) and beam.ended
    decoder = IncrementalDecoder(network, clip, beam_size=1, with_ilm=True)
    scores: tuple[list[float], list[float]] = [], []
    for token, following in pairwise([network.config.start_token, *beam.tokens, STOP]):
        by_gpt = decoder.step(torch.tensor([[token]]))
        assert decoder.ilm_log_probs is not None
        scores[0].append(float(by_gpt[0, 0, following]))
        scores[1].append(float(decoder.ilm_log_probs[0, 0, following]))
        decoder.reorder(torch.tensor([[0]]))
    assert beam.token_log_probs == pytest.approx(scores[0][:-1], abs=1e-3)
    assert beam.log_prob == pytest.approx(sum(scores[0]), abs=1e-3)
    assert beam.ilm_log_prob == pytest.approx(0.4 * sum(scores[1]), abs=1e-3)


@pytest.mark.parametrize(("weight", "is_restored"), [(1000.0, True), (1e-6, False)])
def test_a_lost_term_comes_back_where_it_beats_what_is_written(
    weight: float, is_restored: bool
) -> None:
    checkpoint = tiny_checkpoint()
    clips = decode(
        checkpoint.model,
        checkpoint.tokenizer,
        mel=torch.randn(1, 80, 120, generator=torch.Generator().manual_seed(3)),
        lengths=torch.tensor([120]),
        options=DecodingOptions(
            max_tokens=6,
            term_bonus=0.0,
            min_ctc_margin=-math.inf,
            min_ctc_log_prob=-math.inf,
        ),
        spotter=TermSpotter([("hello", weight)], min_score=-1000.0),
    )
    assert ("hello" in clips[0].text) == is_restored
    scores = [hypothesis.score for hypothesis in clips[0].hypotheses]
    assert scores[is_restored:] == sorted(scores[is_restored:], reverse=True)
