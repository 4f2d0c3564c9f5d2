"""Spelling folds what English writes; scores and alignments agree with counting every path."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gptasr_subs.model import ctc


def random_log_probs(frames: int, seed: int, classes: int = ctc.CLASSES) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(frames, classes, generator=generator)).log_softmax(-1)


def collapse(path: tuple[int, ...]) -> list[int]:
    return [index for index, _ in itertools.groupby(path) if index]


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("Hello, World!", "hello world"),
        ("Café—naïve  Æsir", "cafe naive aesir"),
        ("well-known e.g. 5 %", "well known eg"),
        ("“Don’t,” he said", "don't he said"),
        ("'Tis the dogs' bone", "tis the dogs bone"),
        ("a\nb\tc", "a b c"),
        ("--- 42 ---", ""),
        ("", ""),
    ],
)
def test_spelling(text: str, spelled: str) -> None:
    assert ctc.normalize_text(text) == spelled


@given(st.text(max_size=60))
def test_spelling_is_stable_and_keeps_to_the_alphabet(text: str) -> None:
    spelled = ctc.normalize_text(text)
    assert ctc.normalize_text(spelled) == spelled
    classes = ctc.encode(text)
    assert "".join(ctc.ALPHABET[index] for index in classes) == spelled
    assert all(0 < index < ctc.CLASSES for index in classes)


def test_alphabet_has_the_classes_of_the_head() -> None:
    assert ctc.CLASSES == 29
    assert ctc.encode("a z'z b") == [1, 28, 26, 27, 26, 28, 2]


def test_greedy_text_merges_repeats_and_drops_blanks() -> None:
    path = [0, 8, 8, 0, 5, 12, 0, 12, 15, 28, 28, 0, 28, 1, 0]
    log_probs = torch.nn.functional.one_hot(torch.tensor(path), ctc.CLASSES).float()
    assert ctc.greedy_decode(log_probs) == "hello a"


def test_score_counts_every_path_within_the_clip() -> None:
    log_probs = random_log_probs(5, 0)[:, :4].log_softmax(-1)
    paths = itertools.product(range(4), repeat=5)
    wanted = ctc.encode("ab")
    total = sum(
        math.exp(sum(log_probs[t, c] for t, c in enumerate(p)))
        for p in paths
        if collapse(p) == wanted
    )
    padded = torch.cat([log_probs, torch.full((3, 4), -1.0)])[None]
    assert ctc.score(padded, torch.tensor([5]), ["ab"]).item() == pytest.approx(
        math.log(total), abs=1e-4
    )


def test_no_text_scores_as_blanks_and_too_much_is_impossible() -> None:
    log_probs = random_log_probs(3, 1).expand(2, -1, -1)
    none, much = ctc.score(log_probs, torch.tensor([3, 3]), ["", "abcd"]).tolist()
    assert none == pytest.approx(log_probs[0, :, 0].sum().item(), abs=1e-4)
    assert much == -math.inf


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_alignment_is_the_best_of_all_paths(seed: int, targets: list[int]) -> None:
    log_probs = random_log_probs(6, seed, 4)
    values = log_probs.numpy()
    paths = [p for p in itertools.product(range(4), repeat=6) if collapse(p) == targets]
    found = ctc.align(values, targets)
    if not paths:
        assert found == []
        return
    best = max(paths, key=lambda path: sum(values[t, c] for t, c in enumerate(path)))
    expected = stretches(best)
    assert [(a.first, a.last) for a in found] == [(first, last) for first, last, _ in expected]
    for aligned, (first, last, index) in zip(found, expected, strict=True):
        assert aligned.posterior == pytest.approx(
            np.exp(values[first : last + 1, index]).mean(), rel=1e-4
        )


def stretches(path: Sequence[int]) -> list[tuple[int, int, int]]:
    """First frame, last frame and class of every run of one class, blanks left out."""
    runs = [
        (index, list(frames))
        for index, frames in itertools.groupby(range(len(path)), key=lambda t: path[t])
    ]
    return [(frames[0], frames[-1], index) for index, frames in runs if index]


def test_planted_letters_are_found_where_they_were_put() -> None:
    h, e, ell = ctc.encode("hel")
    path = [0, 0, h, h, 0, 0, e, ell, ell, 0, ell, 0, 0]
    log_probs = np.log(np.full((len(path), ctc.CLASSES), 0.001, np.float32))
    log_probs[range(len(path)), path] = np.log(0.97)
    found = ctc.align(log_probs, ctc.encode("hell"))
    assert [(a.first, a.last) for a in found] == [(2, 3), (6, 6), (7, 8), (10, 10)]
    assert [a.posterior for a in found] == pytest.approx([0.97] * 4)


def test_a_text_too_long_for_its_frames_has_no_alignment() -> None:
    log_probs = random_log_probs(4, 0).numpy()
    assert ctc.align(log_probs, ctc.encode("hell")) == []  # the double letter needs a blank between
    assert len(ctc.align(log_probs, ctc.encode("help"))) == 4
    assert ctc.align(log_probs, []) == []
