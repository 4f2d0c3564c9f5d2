"""Beam search over a batch of clips; greedy decoding is a beam of one.

Scores are summed log-probabilities without a length penalty. A beam that has ended keeps its place and its score.
A clip leaves the batch as soon as its result cannot change any more. Of beams that wrote the same text in other tokens
the best stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gptasr_subs.model.decoding.incremental import Stepper
from gptasr_subs.model.decoding.text_hash import Fingerprints
from gptasr_subs.model.network import Encoded, GptAsr

_LOOP_REPEATS = 4  # the same tokens so many times in a row are a loop ...
_LOOP_TOKENS = 24  # ... if they are at least so many: "no, no, no, no" is speech
_LOOP_EVERY = 8  # steps between two looks for loops
_LEAVE_SHARE = 0.25  # finished clips leave when they are this share of the batch: leaving copies the cache


class Judge(Protocol):
    """A second opinion on what the beams (B, K) may write next, beside the GPT's."""

    def weigh(self, tokens: Tensor, scores: Tensor, ended: Tensor) -> Tensor:
        """``scores`` (B, K, C) of candidates with the second opinion added, as they are for beams that have ``ended``.

        Minus infinity for those that cannot be among a clip's K best.
        """

    def follow(self, lanes: Tensor) -> None:
        """Go on from the candidates ``lanes`` (B, K) of those last weighed, counted over each clip's K * C."""

    def keep(self, rows: Tensor) -> None:
        """Leave only the clips ``rows`` in the batch."""


@dataclass(frozen=True, slots=True)
class Beam:
    """One result of the search: tokens without the stop token, and the log-probability of each.

    ``log_prob`` is their sum, the stop token included; ``ended`` says that the network stopped of its own accord.
    ``alone_log_prob`` is what the text gains by what the network makes of it without the sound, weighted.
    """

    tokens: tuple[int, ...]
    token_log_probs: tuple[float, ...]
    log_prob: float
    ended: bool
    alone_log_prob: float = 0.0


def beam_search(
    network: GptAsr,
    encoded: Encoded,
    limits: Sequence[int],
    beams: int,
    patience: float = 0.0,
    judge: Judge | None = None,
    shortlist: int = 16,
    alone_weight: float = 0.0,
    prints: Fingerprints | None = None,
) -> list[list[Beam]]:
    """For each clip of ``encoded`` its ``beams`` best token sequences, best first.

    ``limits`` is the most tokens of each clip. A clip is done when no unfinished beam is within ``patience`` (in
    log-probability) of the best finished one: 0 is enough for the best, more completes the others too. With a
    ``judge`` each beam's ``shortlist`` best tokens are weighed by both. ``alone_weight`` multiplies what the network
    makes of the text without the sound, and adds it. ``prints`` tells which beams have written the same text.
    """
    stepper = Stepper(network, encoded, beams, alone=alone_weight > 0)
    state = _State(network, limits, beams, encoded.features.device, prints)
    found: dict[int, list[Beam]] = {}
    while len(found) < len(limits):
        log_probs = stepper.step(state.tokens[..., -1])
        alone = None if stepper.alone is None else alone_weight * stepper.alone
        stepper.follow(state.grow(log_probs, judge, shortlist, alone))
        done = state.done(patience)
        for row in done.nonzero()[:, 0].tolist():
            found.setdefault(int(state.clips[row]), state.results(row))
        if done.any() and done.float().mean() >= _LEAVE_SHARE:
            rows = (~done).nonzero()[:, 0]
            state.keep(rows)
            stepper.keep(rows)
            if judge:
                judge.keep(rows)
    return [found[clip] for clip in range(len(limits))]


class _State:
    """What the beams have written so far: B clips still in the batch, K beams, U tokens (the start token first)."""

    def __init__(
        self, network: GptAsr, limits: Sequence[int], beams: int, device: torch.device, prints: Fingerprints | None
    ) -> None:
        config = network.config
        shape = (len(limits), beams)
        self.stop, self.limits = config.stop_token, torch.tensor(limits, device=device)
        self.clips = torch.arange(len(limits), device=device)
        self.tokens = torch.full((*shape, 1), config.start_token, device=device)
        self.log_probs = torch.zeros(*shape, 0, device=device)
        self.alone = torch.zeros(shape, device=device)
        self.scores = torch.full(shape, -torch.inf, device=device)
        self.scores[:, 0] = 0.0  # all beams are the same before the first token
        self.stopped = torch.zeros(shape, dtype=torch.bool, device=device)
        self.looped = self.stopped.clone()
        self.texts = torch.zeros(shape, dtype=torch.long, device=device)  # their fingerprints
        self._prints = prints.to(device) if prints else None

    @property
    def ended(self) -> Tensor:
        """Beams (B, K) that write no more."""
        return self.stopped | self.looped

    def grow(
        self, log_probs: Tensor, judge: Judge | None = None, shortlist: int = 16, alone: Tensor | None = None
    ) -> Tensor:
        """Take the best continuations of ``log_probs`` (B, K, V); returns the beam (B, K) that each one continues.

        ``alone`` (B, K, V) is added to what a token counts for.
        """
        log_probs = self._frozen(log_probs)
        counts = log_probs if alone is None else log_probs + alone.masked_fill(self.ended[..., None], 0.0)
        if judge is None:
            tokens = torch.arange(log_probs.shape[-1], device=log_probs.device).expand_as(log_probs)
            candidates = self.scores[..., None] + counts
        else:
            counts, tokens = counts.topk(shortlist)
            log_probs = log_probs.gather(2, tokens)
            candidates = judge.weigh(tokens, self.scores[..., None] + counts, self.ended)
        self.scores, best = candidates.flatten(1).topk(self.scores.shape[1])
        if judge is not None:
            judge.follow(best)
        parents = best // log_probs.shape[-1]
        token, gained, counted = (part.flatten(1).gather(1, best) for part in (tokens, log_probs, counts))
        self.alone = self.alone.gather(1, parents) + (counted - gained)
        self._write(parents, token, gained)
        if self._prints:
            self._give_up_twice_written(self._prints.add(self.texts.gather(1, parents), token))
        return parents

    def _give_up_twice_written(self, texts: Tensor) -> None:
        """Of beams that are at the same text, of fingerprint ``texts`` (B, K), keep the best; they stand in order."""
        self.texts, state = texts, torch.where(self.ended, ~texts, texts)
        again = (state[:, :, None] == state[:, None]).tril(-1).any(2)
        self.scores = self.scores.masked_fill(again, -torch.inf)

    def _write(self, parents: Tensor, token: Tensor, gained: Tensor) -> None:
        self.tokens = torch.cat([_take(self.tokens, parents), token[..., None]], -1)
        self.log_probs = torch.cat([_take(self.log_probs, parents), gained[..., None]], -1)
        self.looped = self.looped.gather(1, parents)
        self.stopped = self.stopped.gather(1, parents) | ((token == self.stop) & ~self.looped)
        self._find_loops()

    def _frozen(self, log_probs: Tensor) -> Tensor:
        """A beam that has ended goes on with the stop token only, at no cost."""
        only_stop = torch.full_like(log_probs[0, 0], -torch.inf)
        only_stop[self.stop] = 0.0
        return torch.where(self.ended[..., None], only_stop, log_probs)

    def _find_loops(self) -> None:
        steps = self.tokens.shape[-1] - 1
        if steps >= _LOOP_TOKENS and steps % _LOOP_EVERY == 0:
            periods = [[loop_period(beam) for beam in clip] for clip in self.tokens.tolist()]
            self.looped |= (torch.tensor(periods, device=self.looped.device) > 0) & ~self.stopped

    def done(self, patience: float) -> Tensor:
        """Clips (B,) whose result stands."""
        at_limit = self.limits <= self.tokens.shape[-1] - 1
        finished = self.scores.masked_fill(~self.stopped, -torch.inf).amax(1)
        unfinished = self.scores.masked_fill(self.ended, -torch.inf).amax(1)
        return at_limit | self.ended.all(1) | (finished - patience > unfinished)

    def keep(self, rows: Tensor) -> None:
        for name in ("limits", "clips", "tokens", "log_probs", "alone", "scores", "texts", "stopped", "looped"):
            setattr(self, name, getattr(self, name)[rows])

    def results(self, row: int) -> list[Beam]:
        """The beams of one clip, those that ended by themselves first, then by score."""
        beams = [self._result(row, beam) for beam in range(self.scores.shape[1])]
        return sorted(beams, key=lambda beam: (not beam.ended, -beam.log_prob - beam.alone_log_prob))

    def _result(self, row: int, beam: int) -> Beam:
        tokens: list[int] = self.tokens[row, beam, 1:].tolist()
        log_probs = self.log_probs[row, beam].tolist()
        if self.stop in tokens:
            del tokens[tokens.index(self.stop) :]
        stopped = bool(self.stopped[row, beam])
        if self.looped[row, beam]:
            tokens = cut_loop(tokens)
        log_prob = sum(log_probs[: len(tokens) + stopped])
        return Beam(tuple(tokens), tuple(log_probs[: len(tokens)]), log_prob, stopped, float(self.alone[row, beam]))


def loop_period(tokens: Sequence[int]) -> int:
    """Length of the pattern that ``tokens`` ends in again and again; 0 where it does not."""
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


def _take(history: Tensor, parents: Tensor) -> Tensor:
    """``history`` (B, K, U) of the beams ``parents`` (B, K)."""
    return history.gather(1, parents[..., None].expand(-1, -1, history.shape[-1]))
