"""The bonus of a glossary's terms: exact for every text, in whatever tokens it is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gptasr_subs.model import ctc
from gptasr_subs.model.decoding.biasing import BiasedScorer, TermTrie
from gptasr_subs.model.decoding.ctc_prefix import CtcPrefixScorer
from gptasr_subs.model.decoding.decode import Decoded, DecodingOptions, decode
from gptasr_subs.model.decoding.spotting import TermSpotter, sounds_of
from tests.support.cue_maker import patiently
from tests.support.tiny import tiny_checkpoint

STOP = 0
BONUS = 0.5
OPTIONS = DecodingOptions(
    beam_size=3,
    max_tokens=6,
    min_ctc_margin=-math.inf,
    min_ctc_log_prob=-math.inf,
    term_bonus=BONUS,
)
PIECES = ["", " ", " a", "a", "b", "ab", "ba.", " abb", "'s", ",", " b,", "bab a", "-"]

words = st.text("ab'", min_size=1, max_size=4).filter(lambda word: word.strip("'"))
texts = st.lists(st.sampled_from(PIECES[1:]), max_size=12)
anything = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["", " ", "🎬", "(.*", "a", "x" * 300, "Zoë", "R2-D2", "'", "a\0b", "the the"]),
)


def expected_bonus(text: str, terms: dict[str, float]) -> float:
    """That of the words which are terms, or the possessive of one."""
    total = 0.0
    for word in ctc.letters_of(text).split():
        found = [
            terms[term] * len(term) for term in (word, word.removesuffix("'s")) if term in terms
        ]
        total += BONUS * max(found, default=0.0)
    return total


def biased_scorer(trie: TermTrie, clips: int = 1) -> BiasedScorer:
    """One beam a clip whose CTC head says nothing."""
    spelled = [ctc.encode_piece(piece) for piece in PIECES]
    labels = torch.full((len(PIECES), max(map(len, spelled))), -1)
    for row, letters in zip(labels, spelled, strict=True):
        row[: len(letters)] = torch.tensor(letters)
    scorer = CtcPrefixScorer(
        torch.zeros(clips, 4, ctc.CLASSES).log_softmax(-1),
        torch.full((clips,), 4),
        beam_size=1,
        token_labels=labels,
        stop=STOP,
        weight=0.0,
        bonus=0.0,
    )
    return BiasedScorer(scorer, [trie] * clips, labels)


def share_of(scorer: BiasedScorer, tokens: Sequence[int]) -> float:
    """What one beam is given for writing ``tokens``."""
    total = 0.0
    for token in tokens:
        gains = torch.full((1, 1, len(PIECES)), -math.inf)
        gains[..., token] = 0.0
        shortlist = scorer.shortlist(gains, 1, torch.tensor([[False]]))
        total += float(scorer.score(shortlist, gains.gather(2, shortlist))[0, 0, 0])
        scorer.select(torch.tensor([[0]]))
    return total


@patiently
@given(st.dictionaries(words, st.sampled_from([0.5, 1.0, 2.0]), max_size=6), texts)
def test_a_text_gets_the_bonus_of_its_words(terms: dict[str, float], pieces: list[str]) -> None:
    text = "".join(pieces)
    found = TermTrie(terms.items(), BONUS).bonus_of(text)
    assert found == pytest.approx(expected_bonus(text, terms), abs=1e-5)


@patiently
@given(st.lists(st.one_of(words, st.just("ab ba"), st.just("a b ab")), max_size=6), texts)
def test_tokens_get_what_their_text_gets(terms: list[str], pieces: list[str]) -> None:
    # Punctuation alone is never written twice in a row, which is the CTC scorer's rule.
    pieces = [piece for piece in pieces if set(piece) & set("ab")]
    trie = TermTrie([(term, 1.0) for term in terms], BONUS)
    tokens = [*map(PIECES.index, pieces), STOP]
    expected = trie.bonus_of("".join(pieces))
    assert share_of(biased_scorer(trie), tokens) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("in New York, now", ["new york"]),
        ("NEW YORK", ["new york"]),
        ("a new yorker", []),
        ("renew york", ["york"]),
        ("new york city", ["new york city"]),
        ("new york cab", ["new york"]),
        ("new yo york", ["york"]),
        ("new yorkshire york", ["york"]),
        ("Jean-Luc's ship", ["jean luc"]),
        ("jeans", []),
    ],
)
def test_terms_of_several_words(text: str, terms: list[str]) -> None:
    glossary = ["New York", "new york city", "Jean-Luc", "york"]
    letters = sum(len(term.replace(" ", "")) for term in terms)
    trie = TermTrie([(term, 1.0) for term in glossary], BONUS)
    assert trie.bonus_of(text) == pytest.approx(BONUS * letters)


def test_a_term_inside_another_that_breaks_keeps_its_bonus() -> None:
    trie = TermTrie([("new york city", 1.0), ("york", 1.0)], BONUS)
    assert trie.bonus_of("new york is") == pytest.approx(4 * BONUS)


def test_terms_join_the_shortlist_though_the_gpt_does_not_propose_them() -> None:
    scorer = biased_scorer(TermTrie([("abba", 1.0)], BONUS))
    gains = torch.arange(len(PIECES), 0, -1.0)[None, None]
    tokens = scorer.shortlist(gains, 1, torch.tensor([[False]]))[0, 0]
    scores = scorer.score(tokens[None, None], torch.zeros(1, 1, len(tokens)))[0, 0]
    joined = {
        PIECES[token] for token, score in zip(tokens[1:], scores[1:], strict=True) if score > 0
    }
    assert joined <= {" a", "a", "ab", " abb", "bab a"}
    assert " abb" in joined


def test_clips_that_leave_take_their_places_along() -> None:
    trie = TermTrie([("ab", 1.0)], BONUS)
    scorer = biased_scorer(trie, clips=2)
    gains = torch.full((2, 1, len(PIECES)), -math.inf)
    gains[0, 0, PIECES.index("b")] = gains[1, 0, PIECES.index(" a")] = 0.0
    tokens = scorer.shortlist(gains, 1, torch.tensor([[False]] * 2))
    scorer.score(tokens, gains.gather(2, tokens))
    scorer.select(torch.tensor([[0], [0]]))
    scorer.retain(torch.tensor([1]))
    assert share_of(scorer, [PIECES.index("b"), STOP]) == pytest.approx(BONUS)


@lru_cache
def searched(*terms: str, min_score: float) -> list[Decoded]:
    """What is found in two clips by a network that has learned nothing."""
    checkpoint = tiny_checkpoint()
    generator = torch.Generator().manual_seed(1)
    return decode(
        checkpoint.model,
        checkpoint.tokenizer,
        mel=torch.randn(2, 80, 120, generator=generator),
        lengths=torch.tensor([120, 90]),
        options=OPTIONS,
        spotter=TermSpotter([(term, 1.0) for term in terms], min_score) if terms else None,
    )


@pytest.mark.slow
@patiently
@given(st.lists(anything, max_size=5))
def test_whatever_the_terms_are_the_search_ends_and_only_they_change_a_score(
    terms: list[str],
) -> None:
    spotter = TermSpotter([(term, 1.0) for term in terms], min_score=-1000.0)
    for clip in searched(*terms, min_score=-1000.0):
        assert clip.ctc_log_probs is not None
        trie = TermTrie(spotter.spot(sounds_of(clip.ctc_log_probs)), BONUS)
        for hypothesis in clip.hypotheses:
            plain = hypothesis.log_prob + OPTIONS.ctc_weight * (hypothesis.ctc_log_prob or 0.0)
            expected = plain + trie.bonus_of(hypothesis.text)
            assert hypothesis.score == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
@patiently
@given(st.lists(anything, max_size=5), st.sampled_from([-0.25, -0.5, -1.0]))
def test_where_no_term_is_spoken_the_words_are_those_of_a_search_without(
    terms: list[str], min_score: float
) -> None:
    spotter = TermSpotter([(term, 1.0) for term in terms], min_score)
    for clip, plain in zip(
        searched(*terms, min_score=min_score), searched(min_score=0.0), strict=True
    ):
        assert clip.ctc_log_probs is not None
        if not spotter.spot(sounds_of(clip.ctc_log_probs)):
            assert clip.hypotheses == plain.hypotheses
