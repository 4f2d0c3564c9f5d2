"""Log-mels to text: beam search by the GPT, the CTC head's second opinion, and no text where nobody speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf

import torch
from torch import Tensor

from gptasr_subs.model import ctc
from gptasr_subs.model.decoding.beam_search import Beam, beam_search
from gptasr_subs.model.decoding.ctc_prefix import CtcJudge, spell_tokens
from gptasr_subs.model.decoding.text_hash import Fingerprints, fingerprints_of
from gptasr_subs.model.network import Encoded, GptAsr
from gptasr_subs.model.tokenizer import Tokenizer
from gptasr_subs.types import FloatArray

_LEAST_TOKENS = 16  # even the shortest clip may say a word of rare letters
_PATIENCE = 2.0  # nats that an unfinished beam may trail and yet be worth a second opinion


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How to decode. ``least_*`` and everything of CTC only matter to checkpoints that have a CTC head.

    score = log-probability of the GPT + ``ctc_weight`` * that of the CTC head + ``alone_weight`` * that of the GPT
    without the sound + ``word_bonus`` * words.
    """

    beams: int = 4
    max_tokens: int = 0  # 0: ``tokens_per_second`` decides; never more than the network has positions for
    tokens_per_second: float = 25.0  # well above the fastest speech: only runaway text meets it
    ctc_weight: float = 0.3
    alone_weight: float = 0.0  # for networks with ``text_solo``; most of their text they have read, not heard
    letter_bonus: float = 0.0
    shortlist: int = 16  # tokens a beam that the CTC head weighs
    word_bonus: float = 0.0
    least_letters: int = 1  # a clip in which the CTC head reads fewer is silent
    least_evidence: float = 0.0  # nats a character by which CTC must prefer the text to silence
    least_ctc: float = -3.0  # nats a character that CTC must give the text

    @property
    def lanes(self) -> int:
        """Texts that the network reads at a time for each clip: the beams, and their twins without the sound."""
        return 2 * self.beams if self.alone_weight else self.beams


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One reading of a clip. All numbers are natural logarithms; ``ctc_log_prob`` is none without a CTC head.

    ``tokens`` and ``token_log_probs`` come without the stop token, ``log_prob`` is the GPT's sum with it; ``ended`` is
    false where the text was cut off in a loop or at the limit.
    """

    tokens: tuple[int, ...]
    text: str
    score: float
    log_prob: float
    token_log_probs: tuple[float, ...]
    ended: bool
    ctc_log_prob: float | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """One clip: its hypotheses, best first, none where nobody speaks, and the CTC head's log-probabilities (T, C)."""

    hypotheses: tuple[Hypothesis, ...]
    ctc_log_probs: FloatArray | None = None

    @property
    def text(self) -> str:
        """The best reading."""
        return self.hypotheses[0].text if self.hypotheses else ""


@torch.inference_mode()
def decode(
    network: GptAsr, tokenizer: Tokenizer, mel: Tensor, lengths: Tensor, options: DecodingOptions
) -> list[Decoded]:
    """Read ``mel`` (B, n_mels, T) with ``lengths`` (B,) in frames; clips of similar length are the fastest."""
    encoded = network.encode_in_parts(mel, lengths)
    if network.ctc_head is None:
        return [Decoded(_ranked(found, tokenizer, options)) for found in _search(network, encoded, lengths, options)]
    log_probs = network.ctc_head(encoded.features)
    assert encoded.lengths is not None
    frames = encoded.lengths * network.config.ctc_frames
    heard = [clip[:size] for clip, size in zip(log_probs, frames.tolist(), strict=True)]
    spoken = [row for row, clip in enumerate(heard) if _letters(clip) >= options.least_letters]
    readings: list[tuple[Hypothesis, ...]] = [()] * len(heard)
    if spoken:
        rows = torch.tensor(spoken, device=mel.device)
        kept = Encoded(encoded.features[rows], encoded.lengths[rows])
        spellings = spell_tokens(tokenizer).to(mel.device)
        stop, weight, bonus = network.config.stop_token, options.ctc_weight, options.letter_bonus
        judge = CtcJudge(log_probs[rows], frames[rows], options.beams, spellings, stop, weight, bonus)
        found = _search(network, kept, lengths[rows], options, judge, fingerprints_of(tokenizer))
        for row, beams in zip(spoken, found, strict=True):
            readings[row] = _second_opinion(_ranked(beams, tokenizer, options), heard[row], options)
    return [Decoded(best, clip.cpu().numpy()) for best, clip in zip(readings, heard, strict=True)]


def _search(
    network: GptAsr,
    encoded: Encoded,
    lengths: Tensor,
    options: DecodingOptions,
    judge: CtcJudge | None = None,
    prints: Fingerprints | None = None,
) -> list[list[Beam]]:
    limits = [token_limit(network, int(frames), options) for frames in lengths.tolist()]
    patience = 0.0 if judge is None else _PATIENCE
    beams, shortlist, alone = options.beams, options.shortlist, options.alone_weight
    return beam_search(network, encoded, limits, beams, patience, judge, shortlist, alone, prints)


def token_limit(network: GptAsr, frames: int, options: DecodingOptions) -> int:
    """The most tokens a clip of ``frames`` mel frames may have."""
    seconds = frames / network.config.front_end.frames_per_second
    wanted = options.max_tokens or max(_LEAST_TOKENS, ceil(seconds * options.tokens_per_second))
    return min(wanted, network.config.max_text_tokens)


def _ranked(beams: Sequence[Beam], tokenizer: Tokenizer, options: DecodingOptions) -> tuple[Hypothesis, ...]:
    """Beams as text, those that ended of their own accord first."""
    read = [_read(beam, tokenizer, options) for beam in beams]
    return tuple(sorted(read, key=lambda hypothesis: (not hypothesis.ended, -hypothesis.score)))


def _read(beam: Beam, tokenizer: Tokenizer, options: DecodingOptions) -> Hypothesis:
    text = tokenizer.decode(beam.tokens)
    score = beam.log_prob + beam.alone_log_prob + options.word_bonus * len(text.split())
    return Hypothesis(beam.tokens, text, score, beam.log_prob, beam.token_log_probs, beam.ended)


def _second_opinion(
    hypotheses: Sequence[Hypothesis], heard: Tensor, options: DecodingOptions
) -> tuple[Hypothesis, ...]:
    """Rank by GPT and CTC together, ``heard`` (T, C); nothing at all where CTC does not believe the best."""
    scores = _ctc_scores(heard, [hypothesis.text for hypothesis in hypotheses])
    pairs = zip(hypotheses, scores, strict=True)
    ranked = sorted((_rescored(*pair, options) for pair in pairs), key=lambda hypothesis: -hypothesis.score)
    silence = float(heard[:, ctc.BLANK].sum())
    return tuple(ranked) if ranked and _is_heard(ranked[0], silence, options) else ()


def _ctc_scores(heard: Tensor, texts: Sequence[str]) -> list[float]:
    spelled = [ctc.spell_text(text) for text in texts]
    different = list(dict.fromkeys(spelled))  # most differ in case and marks alone
    repeated = heard.expand(len(different), -1, -1)
    scores: list[float] = ctc.score(repeated, torch.full((len(different),), len(heard)), different).tolist()
    return [scores[different.index(text)] for text in spelled]


def _rescored(hypothesis: Hypothesis, ctc_log_prob: float, options: DecodingOptions) -> Hypothesis:
    # a weight of 0 must not turn minus infinity into not-a-number
    gained = options.ctc_weight * ctc_log_prob if options.ctc_weight else 0.0
    return Hypothesis(
        hypothesis.tokens,
        hypothesis.text,
        hypothesis.score + gained,
        hypothesis.log_prob,
        hypothesis.token_log_probs,
        hypothesis.ended,
        ctc_log_prob,
    )


def _is_heard(best: Hypothesis, silence: float, options: DecodingOptions) -> bool:
    """Whether CTC believes ``best``; ``silence`` is the log-probability it gives to no text."""
    letters = len(ctc.spell(best.text))
    log_prob = -inf if best.ctc_log_prob is None else best.ctc_log_prob
    if not letters or log_prob == -inf:
        return False
    return log_prob - silence >= options.least_evidence * letters and log_prob >= options.least_ctc * letters


def _letters(heard: Tensor) -> int:
    return len(ctc.greedy_text(heard).replace(" ", ""))
