"""Terms of a glossary in the search: a bonus for each letter of a term that a beam is writing.

A network hardly ever proposes a name that it has not been taught. The letters of all terms stand in
a trie, and every beam has a place in it. Each letter along a path earns a bonus, which makes a rare
name competitive before it is complete; where a text leaves the path, the bonus is taken back in
full. What is left at the end are the bonuses of the terms that stand in the text as whole words, so
a text without any has the score that it has without a glossary:

    score(y) = score without a glossary + sum over the terms in y of bonus * letters * weight.

The trie is a finite-state machine over the classes of the CTC head, as by Aho and Corasick (1975,
"Efficient string matching"), but for one thing: a term begins at the beginning of a word only. As
the machine reads letters, it does not matter in which tokens or in which case a term is written;
punctuation is no letter and moves nothing. With b(q) the bonus that is held in state q, a letter
from q to r adds b(r) - b(q).

Shapes: B clips, K beams, C candidate tokens, V vocabulary, S states, R rows of known states.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gptasr_subs.model import ctc
from gptasr_subs.model.decoding.ctc_prefix import CtcPrefixScorer

_WORD_START = 0  # state before a word, no term begun
_OUTSIDE = 1  # state in a word with which no term begins
_END = ctc.BLANK  # the column for the end of a text: a blank is never written
_APOSTROPHE = ctc.ALPHABET.index("'")
_POSSESSIVE = (_APOSTROPHE, ctc.ALPHABET.index("s"))
_EXTRA = 4  # tokens of terms that join each beam's shortlist


@dataclass(slots=True)
class _State:
    """A place in the trie; bonuses in nats."""

    begins_word: bool = False
    children: dict[int, int] = field(default_factory=dict)
    held: float = 0.0  # bonus of the letters up to here
    kept: float = 0.0  # what of it stays if the path breaks: a whole term ended before this word
    total: float | None = None  # bonus of the term that ends here


class TermTrie:
    """The terms of a glossary as a machine that reads letters.

    ``next_state`` and ``gain`` (S, classes) say where a letter leads from a state, and what it adds
    to the score; the column of the blank is the end of a text.
    """

    def __init__(self, terms: Iterable[tuple[str, float]], bonus: float) -> None:
        """``terms`` are spellings with their weights; ``bonus`` is nats a letter of weight 1.

        A spelling that has no letter of the CTC head's alphabet is left out.
        """
        self._states = [_State(begins_word=True), _State()]
        weights: dict[tuple[int, ...], float] = {}
        for text, weight in terms:
            labels = tuple(ctc.encode_piece(ctc.letters_of(text)))
            if set(labels) - {ctc.SPACE, _APOSTROPHE}:
                weights[labels] = max(weight, weights.get(labels, weight))
        for labels, weight in weights.items():
            letters = np.cumsum([label != ctc.SPACE for label in labels])
            held = (bonus * weight * letters).tolist()
            self._add(labels, held)
            self._add((*labels, *_POSSESSIVE), [*held, held[-1], held[-1]])
        self.next_state, self.gain = self._transitions()

    def bonus_of(self, text: str) -> float:
        """Return what the terms in a whole text add to its score."""
        state = _WORD_START
        total = 0.0
        for label in [*ctc.encode_piece(text), _END]:
            total += float(self.gain[state, label])
            state = int(self.next_state[state, label])
        return total

    def _add(self, labels: Sequence[int], held: Sequence[float]) -> None:
        """Put a path into the trie; ``held`` is the bonus after each of its letters."""
        state = self._states[_WORD_START]
        for label, bonus in zip(labels, held, strict=True):
            if label not in state.children:
                state.children[label] = len(self._states)
                self._states.append(_State(begins_word=label == ctc.SPACE))
            state = self._states[state.children[label]]
            state.held = max(state.held, bonus)
        state.total = max(held[-1], state.total or 0.0)

    def _transitions(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return where each letter leads, also those that break a path."""
        states = self._states
        next_state = np.full((len(states), ctc.CLASSES), _OUTSIDE)
        gain = np.zeros((len(states), ctc.CLASSES), dtype=np.float32)
        next_state[_OUTSIDE, [_END, ctc.SPACE]] = _WORD_START
        fallback = {_WORD_START: _OUTSIDE}  # the state of the same text without its first words
        queue = [_WORD_START]
        for number in queue:  # breadth first: a fallback is done before it is needed
            state = states[number]
            other = fallback[number]
            # A letter that breaks the path counts as it does in the fallback, without this bonus.
            lost = state.kept - state.held + states[other].held
            next_state[number] = next_state[other]
            gain[number] = gain[other] + lost
            if state.total is not None:
                next_state[number, [_END, ctc.SPACE]] = _WORD_START
                gain[number, [_END, ctc.SPACE]] = state.total - state.held
            if state.begins_word:
                next_state[number, ctc.SPACE] = number
                gain[number, ctc.SPACE] = 0.0
            for label, child in state.children.items():
                # What a break would lead to and bring is what it does one letter later.
                fallback[child] = int(next_state[number, label])
                behind = state.held + gain[number, label] - states[fallback[child]].held
                states[child].kept = float(behind)
                next_state[number, label] = child
                gain[number, label] = states[child].held - state.held
                queue.append(child)
        return next_state, gain


class BiasedScorer:
    """Scores candidate tokens by a glossary, then by the CTC head; a ``Scorer`` of the search.

    The glossary comes first, for the CTC prefix scorer leaves out what cannot be among the best.
    """

    def __init__(
        self, scorer: CtcPrefixScorer, tries: Sequence[TermTrie], token_labels: Tensor
    ) -> None:
        """``tries`` are the terms of each clip; ``token_labels`` as of ``encode_tokens``.

        ``scorer`` is as new.
        """
        device = token_labels.device
        self._scorer = scorer
        self._labels = token_labels.clone()
        self._labels[scorer.stop, 0] = _END

        # The machines of all clips as one, each with states of its own.
        sizes = [len(trie.gain) for trie in tries]
        starts = np.cumsum([0, *sizes[:-1]])
        moved = [trie.next_state + start for trie, start in zip(tries, starts, strict=True)]
        self._next_state = torch.from_numpy(np.concatenate(moved)).to(device)
        self._gain = torch.from_numpy(np.concatenate([trie.gain for trie in tries])).to(device)
        self._start = torch.from_numpy(np.repeat(starts, sizes)).to(device)  # of each state's clip
        first = torch.from_numpy(starts).to(device) + _WORD_START
        self._beams = first[:, None].repeat(1, scorer.beam_size)  # (B, K) their states

        # What each token does from the states that were met: a row of both tables (R, V).
        common = torch.cat([first, first - _WORD_START + _OUTSIDE])
        self._row_of = torch.full_like(self._start, -1)
        self._row_of[common] = torch.arange(len(common), device=device)
        read = [self._read(state.expand(len(self._labels)), self._labels) for state in common]
        self._token_states = torch.stack([states for states, _ in read])
        self._token_gains = torch.stack([gains for _, gains in read])
        self._known = len(common)

    def shortlist(self, gains: Tensor, size: int, ended: Tensor) -> Tensor:
        """Return the usual tokens (B, K, C), and those of terms that may come next."""
        usual = self._scorer.shortlist(gains, size, ended)
        self._rows = self._rows_of(self._beams.flatten()).view_as(self._beams)  # (B, K)
        bias = self._token_gains[self._rows].masked_fill_(ended[..., None], 0.0)  # (B, K, V)

        # Of the tokens that go on along a path, those with the highest scores that they could get.
        bounds = (self._scorer.upper_bounds() + gains).add_(bias)
        bounds = bounds.masked_fill_(bias <= 0, -torch.inf).scatter_(2, usual, -torch.inf)
        best = bounds.topk(min(_EXTRA, bounds.shape[-1]))
        self._tokens = torch.cat([usual, best.indices], 2)
        void = torch.cat([torch.zeros_like(usual).bool(), best.values == -torch.inf], 2)
        self._bias = bias.gather(2, self._tokens).masked_fill_(void, -torch.inf)
        return self._tokens

    def score(self, tokens: Tensor, scores: Tensor) -> Tensor:
        """As the protocol ``Scorer`` says."""
        return self._scorer.score(tokens, scores + self._bias)

    def select(self, candidates: Tensor) -> None:
        """As the protocol ``Scorer`` says."""
        token = self._tokens.flatten(1).gather(1, candidates)
        rows = self._rows.gather(1, candidates // self._tokens.shape[-1])
        self._beams = self._token_states[rows, token]
        self._scorer.select(candidates)

    def retain(self, clips: Tensor) -> None:
        """As the protocol ``Scorer`` says."""
        self._beams = self._beams[clips]
        self._scorer.retain(clips)

    def _rows_of(self, states: Tensor) -> Tensor:
        """Return the rows of ``states`` (n,), made where a state is new."""
        unknown = states[self._row_of[states] < 0].tolist()
        if unknown:
            new = torch.tensor(sorted(set(unknown)), device=states.device)
            end = self._known + len(new)
            if end > len(self._token_gains):
                room = (end, len(self._labels))
                more_states = self._token_states.new_empty(room)
                self._token_states = torch.cat([self._token_states, more_states])
                more_gains = self._token_gains.new_empty(room)
                self._token_gains = torch.cat([self._token_gains, more_gains])
            token_states, token_gains = self._read_tokens(new)
            self._token_states[self._known : end] = token_states
            self._token_gains[self._known : end] = token_gains
            self._row_of[new] = torch.arange(self._known, end, device=new.device)
            self._known = end
        return self._row_of[states]

    def _read_tokens(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return where each token leads from ``states`` (n,), and what it adds, (n, V) both."""
        first = self._labels[:, 0]
        after = self._next_state[states][:, first.clamp_min(0)]
        gains = self._gain[states][:, first.clamp_min(0)]

        # Most tokens break every path with their first letter; what they do then is known.
        start = self._start[states, None]
        breaks = after == start + _OUTSIDE
        rows = torch.where(
            breaks, self._row_of[start + _OUTSIDE], self._row_of[start + _WORD_START]
        )
        every = torch.arange(len(first), device=first.device)
        token_states = self._token_states[rows, every]
        gains += self._token_gains[rows, every]

        # Those that go on along a path are read letter by letter; others have no letter at all.
        row, token = ((after > start + _OUTSIDE) & (first >= 0)).nonzero(as_tuple=True)
        token_states[row, token], gains[row, token] = self._read(states[row], self._labels[token])
        token_states = torch.where(first < 0, states[:, None], token_states)
        return token_states, gains.masked_fill_(first < 0, 0.0)

    def _read(self, state: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return where ``labels`` (n, letters of a token) lead from ``state`` (n,), and what they
        add.
        """
        gain = torch.zeros_like(state, dtype=self._gain.dtype)
        for position in range(labels.shape[1]):
            label = labels[:, position]
            writes = label >= 0
            label = label.clamp_min(0)
            gain += torch.where(writes, self._gain[state, label], 0.0)
            state = torch.where(writes, self._next_state[state, label], state)
        return state, gain
