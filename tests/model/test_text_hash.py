"""Texts have one hash however they were cut into tokens, and the search keeps the best cut."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from hypothesis import given
from hypothesis import strategies as st

from gptasr_subs.model.decoding.beam_search import beam_search
from gptasr_subs.model.decoding.text_hash import TextHash
from tests.support.searches import STEPS, ragged_mels
from tests.support.tiny import tiny_network

PIECES = ["", "", "a", "b", "ab", "ba", " a", "é", " "]


def hash_of(tokens: Sequence[int]) -> int:
    text_hash, text = TextHash.of(PIECES), torch.zeros(1, dtype=torch.long)
    for token in tokens:
        text = text_hash.add(text, torch.tensor([token]))
    return int(text)


@given(
    st.lists(st.integers(0, len(PIECES) - 1), max_size=40),
    st.lists(st.integers(0, len(PIECES) - 1), max_size=40),
)
def test_equal_texts_have_equal_hashes_and_others_have_not(
    left: list[int], right: list[int]
) -> None:
    texts = ["".join(PIECES[token] for token in tokens) for tokens in (left, right)]
    assert (hash_of(left) == hash_of(right)) == (texts[0] == texts[1])


def test_a_text_is_searched_in_one_cutting_only() -> None:
    network = tiny_network(2)
    mel, lengths = ragged_mels(2)
    pieces = [
        "aaaaab"[token % 6] for token in range(network.config.vocabulary)
    ]  # many tokens write the same

    def different_texts(text_hash: TextHash | None) -> list[int]:
        with torch.inference_mode():
            found = beam_search(
                network,
                network.encode(mel, lengths),
                [STEPS] * 4,
                4,
                early_stop_margin=math.inf,
                text_hash=text_hash,
            )
        return [
            len({("".join(pieces[token] for token in beam.tokens), beam.ended) for beam in clip})
            for clip in found
        ]

    freely, once = different_texts(None), different_texts(TextHash.of(pieces))
    assert sum(freely) < 4 * 4 and sum(once) > sum(freely)
    assert all(more >= fewer for more, fewer in zip(once, freely, strict=True))
