"""A second pass: terms that the search has lost, in the place of the words that it wrote instead.

The beams of a search differ in a few words only, so a name that all of them have left is gone. The
CTC head may hear it all the same, and in which frames (see ``spotting``). There it takes the place
of the words where its score beats theirs, as in CTC-WS; but where that lets the CTC head alone
decide, here it and the GPT read the whole texts and count alike. One of n terms, of b letters, is
restored where 1.5 b - log(n / 64) plus what it changes in log P_gpt(y | audio) + log P_ctc(y |
audio) is more than 0: each term of a long list is the less likely to be spoken here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import log
from typing import NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence

from gptasr_subs.model import ctc
from gptasr_subs.model.alignment.words import align_words
from gptasr_subs.model.decoding.beam_search import Beam
from gptasr_subs.model.decoding.spotting import TermSpotter, frames_with_letters, sounds_of
from gptasr_subs.model.network import Encoded, GptAsr
from gptasr_subs.model.tokenizer import Tokenizer
from gptasr_subs.types import FloatArray, Span, Word

_BONUS = 1.5  # nats a letter ...
_USUAL_PRIOR = -log(64)  # ... with so many terms
_MOST = 4  # terms that are tried in a clip, those of the largest bonus
_OVERLAP = 0.5  # share of the shorter of both at which a term and a word are spoken together
_INSIDE = re.compile(r"\w(.*\w)?", re.DOTALL)  # of marks before and behind


class Replacement(NamedTuple):
    """A ``text`` with a term that it lacked, and what that term is worth in nats."""

    text: str
    bonus: float


def replace_words(
    text: str,
    log_probs: FloatArray,
    spotted: Sequence[tuple[str, float]],
    spotter: TermSpotter,
) -> list[Replacement]:
    """``text`` with each of the ``spotted`` terms that it lacks where that is spoken.

    ``log_probs`` (T, C) are those of the CTC head; ``spotted`` is what the ``spotter`` of all terms
    gave.
    """
    weights = dict(spotter.terms)
    written = f" {ctc.letters_of(text)} "
    lost = [pair for pair in spotted if f" {ctc.letters_of(pair[0])} " not in written]
    lost.sort(key=lambda pair: -pair[1] * len(ctc.letters_of(pair[0])))
    frames = frames_with_letters(log_probs)
    places = TermSpotter(lost[:_MOST]).locate(sounds_of(log_probs))
    words = align_words(text, log_probs, 1.0, seconds=len(log_probs))
    found = []
    for (term, _), place in zip(lost, places, strict=False):
        first, last = frames[place]
        spoken = Span(first, last + 1)  # in frames, as the times of the words
        together = []
        for word in words:
            shorter = max(1e-6, min(word.end - word.start, spoken.seconds))
            together.append(spoken.overlap(word) / shorter > _OVERLAP)
        if any(together):
            letters = len(ctc.letters_of(term).replace(" ", ""))
            bonus = _BONUS * letters * weights[term] + spotter.log_prior - _USUAL_PRIOR
            found.append(Replacement(_replaced(words, together, term), bonus))
    return found


def read_texts(
    network: GptAsr,
    tokenizer: Tokenizer,
    encoded: Encoded,
    texts: Sequence[str],
    ilm_weight: float,
) -> list[Beam]:
    """Beams that have written ``texts`` of a clip ``encoded`` (1, N, D), as many tokens as fit.

    Their score has ``ilm_weight`` of the internal language model.
    """
    config = network.config
    written = [tokenizer.encode(text)[: config.max_text_tokens] for text in texts]
    if not written:
        return []
    device = encoded.features.device
    rows = [torch.tensor([config.start_token, *tokens, config.stop_token]) for tokens in written]
    padded = pad_sequence(rows, batch_first=True, padding_value=config.stop_token).to(device)
    following = padded[:, 1:, None]  # (n, U, 1)
    features = encoded.features.expand(len(rows), -1, -1)
    lengths = None if encoded.lengths is None else encoded.lengths.expand(len(rows))
    logits = network.read(Encoded(features, lengths), padded[:, :-1])
    log_probs = logits.float().log_softmax(-1)
    by_gpt = log_probs.gather(2, following)[..., 0]  # (n, U)
    by_ilm = torch.zeros_like(by_gpt)
    if ilm_weight and config.text_solo:  # others cannot write without audio
        logits = network.lm_logits(padded[:, :-1])
        by_ilm = ilm_weight * logits.float().log_softmax(-1).gather(2, following)[..., 0]
    beams = []
    for tokens, gpt, ilm in zip(written, by_gpt.tolist(), by_ilm.tolist(), strict=True):
        size = len(tokens)
        beam = Beam(
            tokens=tuple(tokens),
            token_log_probs=tuple(gpt[:size]),
            log_prob=sum(gpt[: size + 1]),  # with the stop token
            ended=True,
            ilm_log_prob=sum(ilm[: size + 1]),
        )
        beams.append(beam)
    return beams


def _replaced(words: Sequence[Word], together: Sequence[bool], term: str) -> str:
    """The text of ``words`` with ``term`` for those that are spoken ``together`` with it."""
    first = together.index(True)
    behind = len(together) - together[::-1].index(True)
    texts = [word.text for word in words]
    instead = _INSIDE.sub(lambda _: term, " ".join(texts[first:behind]), count=1)
    return " ".join([*texts[:first], instead, *texts[behind:]])
