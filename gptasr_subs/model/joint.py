"""The CTC head's word in the beam search: what it hears of a text while the GPT is still writing it.

The GPT knows language, the CTC head knows sounds. For each token a beam may write next, this gives the change in the
CTC probability of all texts that begin so (the prefix probability of Graves, 2008; joined to an attention decoder by
Watanabe et al., 2017). Recurrences along time are cumulative sums in the log domain, so no loop runs over frames.

Shapes: B clips, K beams, C candidate tokens, N = B * K * C lanes, T CTC frames; all values are natural logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from gptasr_subs.model import ctc
from gptasr_subs.model.tokenizer import Tokenizer

_NEVER = -1e4  # stands for minus infinity, which would turn to not-a-number in differences
_LEAST = -18.0  # no frame rules a letter out for good
_FORGOTTEN = 25.0  # nats below the best moment at which an alignment no longer matters
_SAID = 1.0  # nats below the best moment at which a text counts as said
_REACH = 128  # frames (4 s) within which the next token must be heard; silences in a window are far shorter


@dataclass(slots=True)
class _Heard:
    """Alignments of a text up to each of T + 1 moments: those that end in its last letter, and in a blank."""

    in_letter: Tensor
    in_blank: Tensor
    prefix: Tensor  # log-probability of all texts that begin so
    last: Tensor  # class of the last letter; a space before the first
    mute: Tensor  # whether the last token had no letter; so it is before the first

    def take(self, lanes: Tensor) -> _Heard:
        return _Heard(*(getattr(self, name)[lanes] for name in self.__slots__))

    def between(self, first: int, last: int) -> _Heard:
        """The moments ``first`` to ``last``, both included."""
        moments = (self.in_letter[:, first : last + 1], self.in_blank[:, first : last + 1])
        return _Heard(*moments, self.prefix, self.last, self.mute)


class CtcJudge:
    """Scores candidate tokens of a beam search by the CTC head's output for the clips."""

    def __init__(
        self, log_probs: Tensor, lengths: Tensor, beams: int, spellings: Tensor, stop: int, weight: float, bonus: float
    ) -> None:
        """``log_probs`` (B, T, classes), ``lengths`` (B,) in frames, ``spellings`` as ``spell_tokens`` gives them.

        ``weight`` multiplies what the CTC head says; ``bonus`` is given for each letter, since texts of unequal
        length compete.
        """
        clips, frames, _ = log_probs.shape
        self.spellings, self.stop, self.beams, self.weight, self.bonus = spellings, stop, beams, weight, bonus
        self._letters = ((spellings >= 0) & (spellings != ctc.SPACE)).sum(1)  # (V,)
        beyond = torch.arange(frames, device=lengths.device) >= lengths[:, None]
        frame_probs = log_probs.float().clamp_min(_LEAST).masked_fill(beyond[..., None], _NEVER)
        frame_probs[..., ctc.BLANK] = frame_probs[..., ctc.BLANK].masked_fill(beyond, 0.0)
        self._frames = frame_probs.transpose(1, 2).contiguous()  # (B, classes, T)
        self._silence = torch.nn.functional.pad(self._frames[:, ctc.BLANK].cumsum(-1), (1, 0))  # (B, T + 1)
        self._rows = torch.arange(clips, device=lengths.device).repeat_interleave(beams)
        zeros = torch.zeros(clips, device=lengths.device)
        start = torch.full((clips,), ctc.SPACE, device=lengths.device)
        nothing = torch.full_like(self._silence, _NEVER)
        self._beams = _Heard(nothing, self._silence, zeros, start, zeros == 0).take(self._rows)
        self._candidates, self._lanes, self._band = self._beams, self._rows, (0, frames)

    def weigh(self, tokens: Tensor) -> Tensor:
        """What to add to the log-probability of ``tokens`` (B, K, C) if each beam writes them next."""
        self._band = first, last = self._moments()
        self._lanes = torch.arange(len(self._rows), device=tokens.device).repeat_interleave(tokens.shape[-1])
        heard, flat = self._beams.between(first, last).take(self._lanes), tokens.flatten()
        before, spoken = heard.prefix.clone(), self._letters[flat]
        letters = self.spellings[flat]
        for place in range(letters.shape[1]):
            self._extend(heard, letters[:, place])
        ends = flat == self.stop
        heard.prefix = torch.where(ends, self._to_the_end(heard)[:, -1], heard.prefix)
        gains = self.weight * (heard.prefix - before) + self.bonus * spoken
        mute = (spoken == 0) & ~ends  # marks cost the CTC head nothing, so two in a row would be a way to wait
        gains = gains.masked_fill(mute & heard.mute, _NEVER)
        heard.mute = mute
        self._candidates = heard
        return gains.view(tokens.shape)

    def follow(self, lanes: Tensor) -> None:
        """Go on from the candidates ``lanes`` (B, K), counted over each clip's K * C."""
        per_clip = len(self._lanes) // len(lanes)
        chosen = (lanes + torch.arange(len(lanes), device=lanes.device)[:, None] * per_clip).flatten()
        heard, self._lanes = self._candidates.take(chosen), self._lanes[chosen]
        first, last = self._band
        after = self._silence.shape[-1] - 1 - last
        in_letter = torch.nn.functional.pad(heard.in_letter, (first, after), value=_NEVER)
        before = torch.full_like(in_letter[:, :first], _NEVER)
        in_blank = torch.cat([before, heard.in_blank, self._to_the_end(heard)[:, 1:]], 1)
        self._beams = _Heard(in_letter, in_blank, heard.prefix, heard.last, heard.mute)

    def keep(self, rows: Tensor) -> None:
        """Leave only the clips ``rows`` in the batch."""
        beams = (rows[:, None] * self.beams + torch.arange(self.beams, device=rows.device)).flatten()
        self._beams, self._rows = self._beams.take(beams), self._rows[beams]

    def _moments(self) -> tuple[int, int]:
        """The first moment that still matters to any beam, and the last at which its next token may be heard."""
        whole = torch.logaddexp(self._beams.in_letter, self._beams.in_blank)
        missing = whole.amax(-1, keepdim=True) - whole
        first, said = (missing < _FORGOTTEN).int().argmax(-1), (missing < _SAID).int().argmax(-1)
        return int(first.min()), min(whole.shape[-1] - 1, int(said.max()) + _REACH)

    def _to_the_end(self, heard: _Heard) -> Tensor:
        """Alignments (N, moments) that have said all by the band's last moment and rest from there on."""
        silence = self._silence[self._rows[self._lanes], self._band[1] :]
        whole = torch.logaddexp(heard.in_letter[:, -1:], heard.in_blank[:, -1:])
        return whole + silence - silence[:, :1]

    def _extend(self, heard: _Heard, letters: Tensor) -> None:
        """Write one letter in each lane that has one; a second space in a row is none."""
        some = ((letters >= 0) & ~((letters == ctc.SPACE) & (heard.last == ctc.SPACE))).nonzero()[:, 0]
        if not len(some):
            return
        now, letter, (first, last) = heard.take(some), letters[some], self._band
        rows = self._rows[self._lanes[some]]
        sounding, resting = self._frames[rows, letter, first:last], self._frames[rows, ctc.BLANK, first:last]
        repeated = (now.last == letter)[:, None]
        ready = torch.logaddexp(now.in_blank, now.in_letter.masked_fill(repeated, _NEVER))[:, :-1]
        entered = ready + sounding
        in_letter = _held(entered, sounding)
        in_blank = _held(_later(in_letter)[:, :-1] + resting, resting)
        heard.in_letter[some], heard.in_blank[some] = _later(in_letter), _later(in_blank)
        heard.prefix[some] = entered.logsumexp(-1)
        heard.last[some] = letter


def _held(entered: Tensor, staying: Tensor) -> Tensor:
    """x[t] = entered[t] + x[t - 1] * staying[t], in logarithms, (N, T)."""
    path = staying.cumsum(-1)
    return path + torch.logcumsumexp(entered - path, -1)


def _later(values: Tensor) -> Tensor:
    """``values`` (N, T) with a moment before the first frame, at which they are impossible."""
    return torch.nn.functional.pad(values, (1, 0), value=_NEVER)


@lru_cache(maxsize=2)
def spell_tokens(tokenizer: Tokenizer) -> Tensor:
    """CTC classes of what each token adds to a text (V, most letters), -1 where there are no more."""
    spelled = [ctc.classes(piece) for piece in tokenizer.pieces(range(tokenizer.size))]
    table = torch.full((len(spelled), max(map(len, spelled))), -1)
    for row, letters in zip(table, spelled, strict=True):
        row[: len(letters)] = torch.tensor(letters, dtype=torch.long)
    return table
