"""Beam search over a batch of clips; greedy decoding is a beam of one.

A text y is scored by summed log-probabilities, without a length penalty:

    score(y) = log P_gpt(y | audio) + ilm_weight * log P_ilm(y) + what a scorer adds,

where P_ilm is the internal language model, the same GPT without the audio; its weight is positive
here, for a GPT trained on little audio writes better text with it. A beam that has ended
keeps its place and its score. A clip leaves the batch as soon as its result cannot change any more.
Of beams that wrote the same text in other tokens only the best stays.

Shapes: B clips still in the batch, K beams, C candidates a beam, V vocabulary, U tokens written so
far (the start token is the first).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gptasr_subs.model.decoding.incremental import IncrementalDecoder
from gptasr_subs.model.decoding.text_hash import TextHash
from gptasr_subs.model.network import Encoded, GptAsr

_LOOP_REPEATS = 4  # the same tokens this many times in a row are a loop ...
_LOOP_TOKENS = 24  # ... if they are at least this many: "no, no, no, no" is speech
_LOOP_EVERY = 8  # steps between two looks for loops
# Finished clips leave when they are this share of the batch: leaving copies the cache.
_LEAVE_SHARE = 0.25


class Scorer(Protocol):
    """Scores what the beams (B, K) may write next, beside the GPT.

    Each step asks for a shortlist, has it scored, and selects from it.
    """

    def shortlist(self, gains: Tensor, size: int, ended: Tensor) -> Tensor:
        """The candidate tokens (B, K, C) of this step: the ``size`` best by ``gains`` (B, K, V),
        and perhaps others.

        ``ended`` (B, K) are the beams that write no more.
        """

    def score(self, tokens: Tensor, scores: Tensor) -> Tensor:
        """``scores`` (B, K, C) of the candidates ``tokens`` with the scorer's share added.

        Those of ended beams stay as they are. Minus infinity for candidates that cannot be among a
        clip's K best.
        """

    def select(self, candidates: Tensor) -> None:
        """Continue from ``candidates`` (B, K) of those last scored, counted by clip, K * C each."""

    def retain(self, clips: Tensor) -> None:
        """Leave only the ``clips`` in the batch."""


@dataclass(frozen=True, slots=True)
class Beam:
    """One result of the search: tokens without the stop token, and the log-probability of each.

    ``log_prob`` is their sum, the stop token included; ``ended`` says that the network stopped of
    its own accord. ``ilm_log_prob`` is the weighted log-probability by the internal language model.
    """

    tokens: tuple[int, ...]
    token_log_probs: tuple[float, ...]
    log_prob: float
    ended: bool
    ilm_log_prob: float = 0.0


def beam_search(
    network: GptAsr,
    encoded: Encoded,
    limits: Sequence[int],
    beam_size: int,
    *,
    early_stop_margin: float = 0.0,
    scorer: Scorer | None = None,
    pre_beam_size: int = 16,
    ilm_weight: float = 0.0,
    text_hash: TextHash | None = None,
    watch: Callable[[Tensor, Tensor, Tensor], None] | None = None,
) -> list[list[Beam]]:
    """For each clip of ``encoded`` its ``beam_size`` best token sequences, best first.

    ``limits`` are the most tokens of each clip. A clip is done when no unfinished beam is within
    ``early_stop_margin`` (nats) of the best finished one: 0 is enough for the best, more completes
    the others too. With a ``scorer``, it scores each beam's ``pre_beam_size`` best tokens.
    ``text_hash`` tells which beams have written the same text. ``watch`` sees the beams at each
    step: numbers of the clips (B,), tokens (B, K, U) and scores (B, K).
    """
    decoder = IncrementalDecoder(network, encoded, beam_size, with_ilm=ilm_weight > 0)
    beams = _Beams(network, limits, beam_size, text_hash=text_hash)
    found: dict[int, list[Beam]] = {}
    while len(found) < len(limits):
        # Read each beam's latest token, choose the K best continuations, and follow them in the
        # cache.
        log_probs = decoder.step(beams.tokens[..., -1])  # (B, K, V)
        ilm_scores = None
        if decoder.ilm_log_probs is not None:
            ilm_scores = ilm_weight * decoder.ilm_log_probs
        decoder.reorder(beams.extend(log_probs, ilm_scores, scorer, pre_beam_size))
        if watch:
            watch(beams.clips, beams.tokens, beams.scores)

        # Take the results of clips that are done, and shrink the batch where that pays.
        done = beams.done(early_stop_margin)
        for row in done.nonzero()[:, 0].tolist():
            found.setdefault(int(beams.clips[row]), beams.results(row))
        if done.any() and done.float().mean() >= _LEAVE_SHARE:
            remaining = (~done).nonzero()[:, 0]
            beams.retain(remaining)
            decoder.retain(remaining)
            if scorer:
                scorer.retain(remaining)
    return [found[clip] for clip in range(len(limits))]


class _Beams:
    """What the beams have written so far, (B, K, ...) each.

    Of each clip the best beam stands first.
    """

    def __init__(
        self, network: GptAsr, limits: Sequence[int], beam_size: int, *, text_hash: TextHash | None
    ) -> None:
        device = network.text_head.weight.device
        shape = (len(limits), beam_size)
        self.beam_size = beam_size
        self.stop = network.config.stop_token
        self.limits = torch.tensor(limits, device=device)  # (B,)
        self.clips = torch.arange(len(limits), device=device)  # (B,) numbers in the first batch
        # tokens (B, K, U), and their log-probabilities by the GPT (B, K, U - 1)
        self.tokens = torch.full((*shape, 1), network.config.start_token, device=device)
        self.log_probs = torch.zeros(*shape, 0, device=device)
        self.ilm_log_probs = torch.zeros(shape, device=device)  # weighted sums
        self.scores = torch.full(shape, -torch.inf, device=device)
        self.scores[:, 0] = 0.0  # all beams are the same before the first token
        self.stopped = torch.zeros(shape, dtype=torch.bool, device=device)
        self.looped = self.stopped.clone()
        self.hashes = torch.zeros(shape, dtype=torch.long, device=device)  # of the texts
        self._text_hash = text_hash.to(device) if text_hash else None

    @property
    def ended(self) -> Tensor:
        """Beams (B, K) that write no more."""
        return self.stopped | self.looped

    def extend(
        self,
        log_probs: Tensor,
        ilm_scores: Tensor | None = None,
        scorer: Scorer | None = None,
        pre_beam_size: int = 16,
    ) -> Tensor:
        """Take the best continuations; returns the beam (B, K) that each of them continues.

        ``log_probs`` and ``ilm_scores``, what is added to them, are (B, K, V).
        """
        # A beam that has ended writes stop tokens only, at no cost.
        only_stop = torch.full_like(log_probs[0, 0], -torch.inf)
        only_stop[self.stop] = 0.0
        log_probs = torch.where(self.ended[..., None], only_stop, log_probs)
        gains = log_probs
        if ilm_scores is not None:
            gains = log_probs + ilm_scores.masked_fill(self.ended[..., None], 0.0)

        # Scores of the candidates (B, K, C): C is V, or the pre-beam that the scorer looks at.
        if scorer is None:
            tokens = torch.arange(log_probs.shape[-1], device=log_probs.device).expand_as(log_probs)
            candidates = self.scores[..., None] + gains
        else:
            tokens = scorer.shortlist(gains, pre_beam_size, self.ended)
            gains = gains.gather(2, tokens)
            log_probs = log_probs.gather(2, tokens)
            candidates = scorer.score(tokens, self.scores[..., None] + gains)

        # The K best of all K * C candidates of a clip, (B, K).
        self.scores, best = candidates.flatten(1).topk(self.beam_size)
        if scorer is not None:
            scorer.select(best)
        parents = best // log_probs.shape[-1]
        token = tokens.flatten(1).gather(1, best)
        log_prob = log_probs.flatten(1).gather(1, best)
        gain = gains.flatten(1).gather(1, best)

        self.tokens = torch.cat([_select(self.tokens, parents), token[..., None]], -1)
        self.log_probs = torch.cat([_select(self.log_probs, parents), log_prob[..., None]], -1)
        self.ilm_log_probs = self.ilm_log_probs.gather(1, parents) + (gain - log_prob)
        self.looped = self.looped.gather(1, parents)
        self.stopped = self.stopped.gather(1, parents) | ((token == self.stop) & ~self.looped)
        self._find_loops()
        if self._text_hash:
            self.hashes = self._text_hash.add(self.hashes.gather(1, parents), token)
            self._drop_repeated_texts()
        return parents

    def _find_loops(self) -> None:
        steps = self.tokens.shape[-1] - 1
        if steps >= _LOOP_TOKENS and steps % _LOOP_EVERY == 0:
            periods = [[loop_period(beam) for beam in clip] for clip in self.tokens.tolist()]
            in_loop = torch.tensor(periods, device=self.looped.device) > 0
            self.looped |= in_loop & ~self.stopped

    def _drop_repeated_texts(self) -> None:
        """Of beams with the same text keep the best; they stand in order of their scores."""
        # an ended text is another state
        states = torch.where(self.ended, ~self.hashes, self.hashes)
        same = states[:, :, None] == states[:, None]  # (B, K, K)
        repeated = same.tril(-1).any(2)  # as one of the beams before it
        self.scores = self.scores.masked_fill(repeated, -torch.inf)

    def done(self, early_stop_margin: float) -> Tensor:
        """Clips (B,) whose result stands."""
        # Log-probabilities only fall: but for bonuses, a beam behind the best finished one stays
        # there.
        at_limit = self.limits <= self.tokens.shape[-1] - 1
        finished = self.scores.masked_fill(~self.stopped, -torch.inf).amax(1)
        unfinished = self.scores.masked_fill(self.ended, -torch.inf).amax(1)
        return at_limit | self.ended.all(1) | (finished - early_stop_margin > unfinished)

    def retain(self, clips: Tensor) -> None:
        self.limits = self.limits[clips]
        self.clips = self.clips[clips]
        self.tokens = self.tokens[clips]
        self.log_probs = self.log_probs[clips]
        self.ilm_log_probs = self.ilm_log_probs[clips]
        self.scores = self.scores[clips]
        self.stopped = self.stopped[clips]
        self.looped = self.looped[clips]
        self.hashes = self.hashes[clips]

    def results(self, clip: int) -> list[Beam]:
        """The beams of one clip, those that ended by themselves first, then by score."""
        beams = []
        for beam in range(self.beam_size):
            # Up to the stop token; a beam that ran into a loop keeps its pattern once.
            tokens: list[int] = self.tokens[clip, beam, 1:].tolist()
            log_probs = self.log_probs[clip, beam].tolist()
            if self.stop in tokens:
                del tokens[tokens.index(self.stop) :]
            stopped = bool(self.stopped[clip, beam])
            if self.looped[clip, beam]:
                tokens = cut_loop(tokens)
            result = Beam(
                tokens=tuple(tokens),
                token_log_probs=tuple(log_probs[: len(tokens)]),
                log_prob=sum(log_probs[: len(tokens) + stopped]),
                ended=stopped,
                ilm_log_prob=float(self.ilm_log_probs[clip, beam]),
            )
            beams.append(result)
        return sorted(beams, key=lambda beam: (not beam.ended, -beam.log_prob - beam.ilm_log_prob))


def loop_period(tokens: Sequence[int]) -> int:
    """Length of the pattern that ``tokens`` ends in again and again; 0 where it does not."""
    # The text repeats with a period where it equals itself moved on by that period.
    for period in range(1, len(tokens) // _LOOP_REPEATS + 1):
        size = max(_LOOP_REPEATS * period, _LOOP_TOKENS)
        tail = tokens[-size:]
        if len(tail) == size and tail[period:] == tail[:-period]:
            return period
    return 0


def cut_loop(tokens: list[int]) -> list[int]:
    """``tokens`` with the pattern that they end in kept once."""
    period = loop_period(tokens)
    if not period:
        return tokens
    end = len(tokens)
    while end > period and tokens[end - period - 1] == tokens[end - 1]:
        end -= 1
    return tokens[:end]


def _select(history: Tensor, parents: Tensor) -> Tensor:
    """``history`` (B, K, U) of the beams ``parents`` (B, K)."""
    return history.gather(1, parents[..., None].expand(-1, -1, history.shape[-1]))
