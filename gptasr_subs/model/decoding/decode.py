"""Log-mels to text: beam search by GPT and CTC head together, and no text without speech.

Shapes: B clips, T frames of the front end, or of the CTC head where said so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

import torch
from torch import Tensor

from gptasr_subs.model import ctc
from gptasr_subs.model.decoding.beam_search import Beam, Scorer, beam_search
from gptasr_subs.model.decoding.biasing import BiasedScorer, TermTrie
from gptasr_subs.model.decoding.ctc_prefix import CtcPrefixScorer, encode_tokens
from gptasr_subs.model.decoding.readings import Rival, RivalWatch
from gptasr_subs.model.decoding.second_pass import read_texts, replace_words
from gptasr_subs.model.decoding.spotting import TermSpotter, sounds_of
from gptasr_subs.model.decoding.text_hash import TextHash, text_hash_of
from gptasr_subs.model.network import Encoded, GptAsr
from gptasr_subs.model.tokenizer import Tokenizer
from gptasr_subs.types import FloatArray

_MIN_TOKENS = 16  # even the shortest clip may say a word of rare letters
_MAX_RESTORED = 3  # terms of a clip
_EARLY_STOP_MARGIN = 2.0  # nats that an unfinished beam may trail and still be worth rescoring


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How to decode; ``min_ctc_*`` and ``ctc_weight`` only matter where there is a CTC head.

    score = log-probability of the GPT + ``ctc_weight`` * that of the CTC head + ``ilm_weight`` *
    that of the internal language model, which is the GPT without the audio. During the search,
    ``char_bonus`` is added for each letter.
    """

    beam_size: int = 4
    # 0: ``tokens_per_second`` decides; never more than the network has positions for
    max_tokens: int = 0
    tokens_per_second: float = 25.0  # well above the fastest speech: only runaway text meets it
    ctc_weight: float = 0.3
    ilm_weight: float = 0.0  # for networks with ``text_solo``
    char_bonus: float = 0.0
    term_bonus: float = 1.6  # nats a letter of a glossary's terms, see ``biasing``
    second_pass: bool = True  # for terms that the search has lost
    pre_beam_size: int = 16  # tokens a beam that the CTC head scores
    min_ctc_letters: int = 1  # a clip in which the CTC head reads fewer is silent
    min_ctc_margin: float = 0.0  # nats a character by which CTC must prefer the text to silence
    min_ctc_log_prob: float = -3.0  # nats a character that CTC must give the text
    rivals: bool = False  # keep what other beams wrote on the way

    @property
    def rows(self) -> int:
        """Texts that the network reads at a time for each clip: beams, with and without audio."""
        return 2 * self.beam_size if self.ilm_weight else self.beam_size


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One reading of a clip, scored in natural logarithms.

    ``tokens`` and ``token_log_probs`` come without the stop token, ``log_prob`` is the GPT's sum
    with it; ``ended`` is false where the text was cut off in a loop or at the limit.
    ``ctc_log_prob`` is none without a CTC head.
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
    """One clip: its hypotheses, best first, and the CTC log-probabilities (T, C).

    There is no hypothesis where there is no speech. ``rivals`` are other beams, if they were kept.
    """

    hypotheses: tuple[Hypothesis, ...]
    ctc_log_probs: FloatArray | None = None
    rivals: tuple[Rival, ...] = ()

    @property
    def text(self) -> str:
        """The best reading."""
        return self.hypotheses[0].text if self.hypotheses else ""


@torch.inference_mode()
def decode(
    network: GptAsr,
    tokenizer: Tokenizer,
    mel: Tensor,
    lengths: Tensor,
    options: DecodingOptions,
    spotter: TermSpotter | None = None,
) -> list[Decoded]:
    """Read ``mel`` (B, n_mels, T) with ``lengths`` (B,) in frames.

    Clips of similar length are the fastest. The terms of ``spotter`` are preferred where the CTC
    head finds them.
    """
    encoded = network.encode_in_parts(mel, lengths)
    limits = [token_limit(network, int(frames), options) for frames in lengths.tolist()]
    if network.ctc_head is None:
        watch = RivalWatch(network.config.stop_token)
        found = _search(network, encoded, limits, options, watch=watch)
        return [
            Decoded(_ranked(beams, tokenizer, options), rivals=watch.rivals(clip))
            for clip, beams in enumerate(found)
        ]

    # What the CTC head says of each clip; those in which it reads nothing are silent.
    log_probs = network.ctc_head(encoded.features)  # (B, CTC frames, classes)
    by_clip = _cut(network, encoded, log_probs)
    decoded = [Decoded((), _array(clip)) for clip in by_clip]
    letters = [len(ctc.greedy_decode(clip).replace(" ", "")) for clip in by_clip]
    spoken = [row for row, count in enumerate(letters) if count >= options.min_ctc_letters]
    if spoken:
        assert encoded.lengths is not None
        rows = torch.tensor(spoken, device=mel.device)
        kept = Encoded(encoded.features[rows], encoded.lengths[rows])
        read = _decode_spoken(
            network,
            tokenizer,
            kept,
            log_probs[rows],
            limits=[limits[row] for row in spoken],
            options=options,
            spotter=spotter,
        )
        for row, clip in zip(spoken, read, strict=True):
            decoded[row] = clip
    return decoded


def _decode_spoken(
    network: GptAsr,
    tokenizer: Tokenizer,
    encoded: Encoded,
    log_probs: Tensor,
    *,
    limits: Sequence[int],
    options: DecodingOptions,
    spotter: TermSpotter | None,
) -> list[Decoded]:
    """Search with the CTC head as a scorer, and let it rescore what is found as whole texts.

    ``log_probs`` (B, CTC frames, classes) are those of the CTC head.
    """
    assert encoded.lengths is not None
    by_clip = _cut(network, encoded, log_probs)
    token_labels = encode_tokens(tokenizer).to(log_probs.device)
    scorer: Scorer
    scorer = ctc_scorer = CtcPrefixScorer(
        log_probs,
        encoded.lengths * network.config.ctc_frames,
        beam_size=options.beam_size,
        token_labels=token_labels,
        stop=network.config.stop_token,
        weight=options.ctc_weight,
        bonus=options.char_bonus,
    )
    spotted: list[list[tuple[str, float]]] = []  # terms of the glossary in each clip
    tries: list[TermTrie] = []
    if spotter:
        spotted = [spotter.spot(sounds_of(_array(clip))) for clip in by_clip]
        tries = [TermTrie(terms, options.term_bonus) for terms in spotted]
        scorer = BiasedScorer(ctc_scorer, tries, token_labels)
    text_hash = text_hash_of(tokenizer)
    watch = RivalWatch(network.config.stop_token)
    found = _search(
        network, encoded, limits, options, scorer=scorer, text_hash=text_hash, watch=watch
    )
    decoded = []
    for row, (beams, clip) in enumerate(zip(found, by_clip, strict=True)):
        trie = tries[row] if tries else None
        readings = rescored(_ranked(beams, tokenizer, options), clip, options, trie)
        if spotter and trie and readings and options.second_pass:
            readings = _restore_terms(
                network,
                tokenizer,
                Encoded(encoded.features[row, None], encoded.lengths[row, None]),
                readings,
                clip,
                trie=trie,
                spotted=spotted[row],
                spotter=spotter,
                options=options,
            )
        decoded.append(Decoded(readings, _array(clip), watch.rivals(row)))
    return decoded


def _cut(network: GptAsr, encoded: Encoded, log_probs: Tensor) -> list[Tensor]:
    """Return the part (T, C) of ``log_probs`` (B, CTC frames, C) that each clip has."""
    assert encoded.lengths is not None
    frames = encoded.lengths * network.config.ctc_frames  # (B,)
    return [clip[:size] for clip, size in zip(log_probs, frames.tolist(), strict=True)]


def _array(log_probs: Tensor) -> FloatArray:
    """As numpy has it."""
    array: FloatArray = log_probs.float().cpu().numpy()
    return array


def _search(
    network: GptAsr,
    encoded: Encoded,
    limits: Sequence[int],
    options: DecodingOptions,
    *,
    scorer: Scorer | None = None,
    text_hash: TextHash | None = None,
    watch: RivalWatch,
) -> list[list[Beam]]:
    return beam_search(
        network,
        encoded,
        limits,
        options.beam_size,
        early_stop_margin=0.0 if scorer is None else _EARLY_STOP_MARGIN,
        scorer=scorer,
        pre_beam_size=options.pre_beam_size,
        ilm_weight=options.ilm_weight,
        text_hash=text_hash,
        watch=watch.look if options.rivals else None,
    )


def token_limit(network: GptAsr, frames: int, options: DecodingOptions) -> int:
    """The most tokens a clip of ``frames`` mel frames may have."""
    # A limit in proportion to the clip's length keeps a loop from running to the last position.
    seconds = frames / network.config.front_end.frames_per_second
    wanted = options.max_tokens or max(_MIN_TOKENS, ceil(seconds * options.tokens_per_second))
    return min(wanted, network.config.max_text_tokens)


def _ranked(
    beams: Sequence[Beam], tokenizer: Tokenizer, options: DecodingOptions
) -> tuple[Hypothesis, ...]:
    """Beams as text, those that ended of their own accord first."""
    # The order is final where there is no CTC head; else ``rescored`` makes another.
    hypotheses = []
    for beam in beams:
        hypothesis = Hypothesis(
            tokens=beam.tokens,
            text=tokenizer.decode(beam.tokens),
            score=beam.log_prob + beam.ilm_log_prob,
            log_prob=beam.log_prob,
            token_log_probs=beam.token_log_probs,
            ended=beam.ended,
        )
        hypotheses.append(hypothesis)
    return tuple(
        sorted(hypotheses, key=lambda hypothesis: (not hypothesis.ended, -hypothesis.score))
    )


def rescored(
    hypotheses: Sequence[Hypothesis],
    log_probs: Tensor,
    options: DecodingOptions,
    trie: TermTrie | None = None,
) -> tuple[Hypothesis, ...]:
    """Rank by GPT, CTC and glossary together; ``log_probs`` (T, C) are those of the CTC head.

    Empty where CTC does not believe the best.
    """
    # Most hypotheses differ in casing and punctuation only: each normalized text is scored once.
    texts = [ctc.normalize_text(hypothesis.text) for hypothesis in hypotheses]
    distinct = list(dict.fromkeys(texts))
    scores = _ctc_scores(log_probs, distinct)

    ranked = []
    for hypothesis, text in zip(hypotheses, texts, strict=True):
        ctc_log_prob = scores[distinct.index(text)]
        # A weight of 0 must not turn minus infinity into not-a-number.
        gain = options.ctc_weight * ctc_log_prob if options.ctc_weight else 0.0
        if trie:
            gain += trie.bonus_of(hypothesis.text)
        ranked.append(replace(hypothesis, score=hypothesis.score + gain, ctc_log_prob=ctc_log_prob))
    ranked.sort(key=lambda hypothesis: -hypothesis.score)

    best = ranked[0] if ranked else None
    if best is None or best.ctc_log_prob is None or best.ctc_log_prob == -inf:
        return ()
    # Log-probabilities fall with each character, so both thresholds are set for one character.
    characters = len(ctc.encode(best.text))
    silence = float(log_probs[:, ctc.BLANK].sum())  # log-probability that CTC gives to no text
    better = best.ctc_log_prob - silence >= options.min_ctc_margin * characters
    likely = best.ctc_log_prob >= options.min_ctc_log_prob * characters
    return tuple(ranked) if characters and better and likely else ()


def _restore_terms(
    network: GptAsr,
    tokenizer: Tokenizer,
    clip: Encoded,
    readings: tuple[Hypothesis, ...],
    log_probs: Tensor,
    *,
    trie: TermTrie,
    spotted: Sequence[tuple[str, float]],
    spotter: TermSpotter,
    options: DecodingOptions,
) -> tuple[Hypothesis, ...]:
    """``readings`` of a clip, led by one with the terms that the search has lost; ``log_probs``
    (T, C).

    See ``second_pass``.
    """
    for _ in range(_MAX_RESTORED):
        best = readings[0]
        best_by_ctc = best.ctc_log_prob or 0.0
        score = best.log_prob + best_by_ctc
        tried = replace_words(best.text, _array(log_probs), spotted, spotter)
        if not tried:
            break
        by_ctc = _ctc_scores(log_probs, [text for text, _ in tried])
        # The GPT likes a rare name no better, so it reads only what the CTC head makes up for.
        likely = {
            text: log_prob + bonus
            for (text, bonus), log_prob in zip(tried, by_ctc, strict=True)
            if log_prob + bonus >= best_by_ctc
        }
        beams = read_texts(network, tokenizer, clip, [*likely], options.ilm_weight)
        better: dict[float, Hypothesis] = {}
        for beam, worth in zip(beams, likely.values(), strict=True):
            for restored in rescored(_ranked([beam], tokenizer, options), log_probs, options, trie):
                better[restored.log_prob + worth - score] = restored
        if max(better, default=0.0) <= 0:
            break
        readings = (better[max(better)], *readings)
    return readings


def _ctc_scores(log_probs: Tensor, texts: Sequence[str]) -> list[float]:
    """The log-probability of each text of a clip by its ``log_probs`` (T, C)."""
    frames = torch.full((len(texts),), len(log_probs))
    scores: list[float] = ctc.score(log_probs.expand(len(texts), -1, -1), frames, texts).tolist()
    return scores
