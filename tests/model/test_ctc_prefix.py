"""The CTC head's prefix probabilities against sums over all alignments."""

from __future__ import annotations

from itertools import groupby, product

import pytest
import torch
from torch import Tensor

from gptasr_subs.model import ctc
from gptasr_subs.model.decoding.beam_search import beam_search
from gptasr_subs.model.decoding.ctc_prefix import CtcPrefixScorer, encode_tokens
from tests.support.tiny import tiny_network, train_bpe

STOP = 0
LETTERS = {"a": 1, "b": 2}


def ab_log_probs(frames: int, clips: int = 1, seed: int = 0) -> Tensor:
    """Log-probabilities in which only the blank, a and b are probable."""
    torch.manual_seed(seed)
    log_probs = torch.full((clips, frames, ctc.CLASSES), -60.0)
    log_probs[..., :3] = torch.randn(clips, frames, 3).log_softmax(-1)
    return log_probs


def make_scorer(
    log_probs: Tensor,
    lengths: list[int],
    token_labels: Tensor,
    *,
    beam_size: int = 1,
    weight: float = 1.0,
    bonus: float = 0.0,
) -> CtcPrefixScorer:
    return CtcPrefixScorer(
        log_probs,
        torch.tensor(lengths),
        beam_size=beam_size,
        token_labels=token_labels,
        stop=STOP,
        weight=weight,
        bonus=bonus,
    )


def tokens_of(*texts: str) -> Tensor:
    """A vocabulary: the stop token, then each text."""
    spelled = [[], *(ctc.encode_piece(text) for text in texts)]
    table = torch.full((len(spelled), max(map(len, spelled))), -1)
    for row, letters in zip(table, spelled, strict=True):
        row[: len(letters)] = torch.tensor(letters, dtype=torch.long)
    return table


def collapsed(path: tuple[int, ...]) -> str:
    return "".join("_ab"[index] for index, _ in groupby(path) if index)


def probability(log_probs: Tensor, accept: object) -> float:
    """Sum over all alignments whose text ``accept`` takes, as a logarithm."""
    total = 0.0
    for path in product(range(3), repeat=len(log_probs)):
        if accept(collapsed(path)):  # type: ignore[operator]
            total += float(sum(log_probs[t, c] for t, c in enumerate(path)).exp())  # type: ignore[union-attr]
    return float(torch.tensor(total).log())


def given(scorer: CtcPrefixScorer, tokens: list[list[list[int]]]) -> Tensor:
    """What the scorer gives for candidates that the GPT likes equally."""
    candidates = torch.tensor(tokens)
    clips, beams, _ = candidates.shape
    everything = torch.zeros(clips, beams, len(scorer.token_labels))
    scorer.shortlist(everything, 1, torch.zeros(clips, beams, dtype=torch.bool))
    return scorer.score(candidates, torch.zeros(candidates.shape))


def write(scorer: CtcPrefixScorer, tokens: list[int]) -> float:
    """Let a single beam write ``tokens`` one by one; the sum of what the scorer gives."""
    total = 0.0
    for token in tokens:
        total += float(given(scorer, [[[token]]])[0, 0, 0])
        scorer.select(torch.tensor([[0]]))
    return total


@pytest.mark.parametrize(
    "texts", [("a",), ("a", "b"), ("a", "a"), ("ab", "b"), ("aab",), ("b", "ba")]
)
def test_a_prefix_gets_the_sum_of_all_alignments_that_begin_so(texts: tuple[str, ...]) -> None:
    log_probs = ab_log_probs(6)
    scorer = make_scorer(log_probs, [6], tokens_of(*texts))
    prefix = "".join(texts)
    expected = probability(log_probs[0], lambda text: text.startswith(prefix))
    assert write(scorer, list(range(1, len(texts) + 1))) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("text", ["ab", "aa", "bab"])
def test_the_stop_token_leaves_the_ctc_score_of_the_whole_text(text: str) -> None:
    log_probs = ab_log_probs(7, seed=1)
    scorer = make_scorer(log_probs, [7], tokens_of(*text))
    expected = float(ctc.score(log_probs, torch.tensor([7]), [text])[0])
    assert write(scorer, [*range(1, len(text) + 1), STOP]) == pytest.approx(expected, abs=1e-4)


def test_frames_beyond_a_clip_change_nothing() -> None:
    log_probs = ab_log_probs(5, seed=2)
    longer = torch.cat([log_probs, ab_log_probs(4, seed=3)], 1)
    alone = make_scorer(log_probs, [5], tokens_of("a", "b"))
    padded = make_scorer(longer, [5], tokens_of("a", "b"))
    assert write(padded, [1, 2, STOP]) == pytest.approx(write(alone, [1, 2, STOP]), abs=1e-4)


def test_weight_and_bonus_scale_what_is_given() -> None:
    log_probs = ab_log_probs(6, seed=4)
    plain = write(
        make_scorer(log_probs, [6], tokens_of("ab")),
        [1],
    )
    scaled = write(
        make_scorer(log_probs, [6], tokens_of("ab"), weight=0.5, bonus=0.25),
        [1],
    )
    assert scaled == pytest.approx(0.5 * plain + 2 * 0.25, abs=1e-5)


def test_marks_cost_nothing_once_and_are_never_written_twice_in_a_row() -> None:
    scorer = make_scorer(ab_log_probs(6), [6], tokens_of("a", ",", "!"))
    write(scorer, [1])
    assert write(scorer, [2]) == 0.0
    assert write(scorer, [3]) < -1000


def test_each_beam_goes_on_from_the_candidate_it_took() -> None:
    log_probs = ab_log_probs(6, clips=2, seed=5)
    scorer = make_scorer(log_probs, [6, 6], tokens_of("a", "b"), beam_size=2)
    given(scorer, [[[1, 2], [1, 2]]] * 2)
    # clip 0: b, a; clip 1: a, and the second beam's b
    scorer.select(torch.tensor([[1, 0], [0, 3]]))
    scorer.retain(torch.tensor([1]))
    gained = given(scorer, [[[2], [1]]])[0, :, 0].tolist()
    prefix = {
        text: probability(log_probs[1], lambda t, text=text: t.startswith(text))
        for text in ("a", "b", "ab", "ba")
    }
    assert gained == pytest.approx(
        [prefix["ab"] - prefix["a"], prefix["ba"] - prefix["b"]], abs=1e-4
    )


def test_tokens_are_spelled_as_they_add_to_the_text() -> None:
    tokenizer = train_bpe(["a bad cab, don't"] * 3, 40)
    table = encode_tokens(tokenizer)
    (token,) = tokenizer.encode("bad")[-1:]
    letters = [index for index in table[token].tolist() if index >= 0]
    assert "".join(ctc.ALPHABET[index] for index in letters) == tokenizer.pieces([token])[0]
    assert (table[STOP] == -1).all()


def test_the_judge_turns_a_search_towards_what_is_heard() -> None:
    torch.manual_seed(0)
    network = tiny_network(2)
    vocabulary = network.config.vocabulary
    spellings = torch.full((vocabulary, 1), -1)
    spellings[2], spellings[3] = 1, 2  # tokens 2 and 3 are a and b
    log_probs = torch.full((1, 9, ctc.CLASSES), -30.0)
    log_probs[0, :, 0] = -0.01
    for frame, letter in ((1, 1), (4, 2), (7, 1)):
        log_probs[0, frame, 0], log_probs[0, frame, letter] = -30.0, -0.01
    encoded = network.encode(torch.randn(1, 80, 64), torch.tensor([64]))
    scorer = CtcPrefixScorer(
        log_probs,
        torch.tensor([9]),
        beam_size=2,
        token_labels=spellings,
        stop=network.config.stop_token,
        weight=50.0,
        bonus=0.0,
    )
    with torch.inference_mode():
        (beams,) = beam_search(network, encoded, [6], 2, scorer=scorer, pre_beam_size=vocabulary)
    assert [token for token in beams[0].tokens if token in (2, 3)] == [2, 3, 2]


def test_a_window_of_a_long_clip_scores_the_same() -> None:
    frames = 260
    log_probs = torch.full((1, frames, ctc.CLASSES), -12.0)
    log_probs[..., 0] = -0.01
    for frame, letter in ((90, 1), (190, 2), (230, 1)):
        log_probs[0, frame, letter], log_probs[0, frame, 0] = -0.3, -1.5
    scorer = make_scorer(log_probs, [frames], tokens_of("a", "b"))
    expected = float(ctc.score(log_probs, torch.tensor([frames]), ["aba"])[0])
    assert write(scorer, [1, 2, 1, STOP]) == pytest.approx(expected, abs=0.02)
