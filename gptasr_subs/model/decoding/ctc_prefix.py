"""The CTC head's word in the beam search: what it hears of a text while the GPT is still writing it.

The GPT knows language, the CTC head knows sounds. For each token a beam may write next, this gives the change in the
CTC probability of all texts that begin so (the prefix probability of Graves, 2008; joined to an attention decoder by
Watanabe et al., 2017). Recurrences along time are cumulative sums, so no loop runs over frames.

Most candidates need no exact answer. What the CTC head says of a token's first letter is one matrix product for all
letters, and more letters can only make it less likely: so candidates are weighed in the order of that bound, until the
rest cannot be among the best.

Shapes: B clips, K beams, C candidate tokens, n lanes (candidates that are weighed), T CTC frames, W frames of a window.
A moment lies before or behind a frame, so there are T + 1. Values of alignments are probabilities as float64, brought
to a largest of 1 in each lane; all others are natural logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from gptasr_subs.model import ctc
from gptasr_subs.model.tokenizer import Tokenizer

_NEVER = -1e4
_LEAST = -18.0  # no frame rules a letter out for good
_FORGOTTEN = 1.4e-11  # share of the best moment's probability at which an alignment no longer matters
_SAID = 0.37  # share at which a text counts as said
_REACH = 128  # frames (4 s) within which the next token must be heard; silences in a window are far shorter
_DEEPEST = 600.0  # nats of silence within a window; float64 holds their inverse
_HELD = (1, 2, 4, 8)  # shifts that sum up to 15 frames (half a second) of one letter


@dataclass(slots=True)
class _Heard:
    """Texts and how the clip's frames may be aligned with them: one a row of ``scale``, each (n, ...).

    ``letter`` and ``blank`` (n, moments): alignments up to each moment that end in the last letter, in a blank.
    """

    letter: Tensor
    blank: Tensor
    scale: Tensor  # what the two were divided by
    prefix: Tensor  # log-probability of all texts that begin so
    last: Tensor  # class of the last letter; a space before the first
    mute: Tensor  # whether the last token had no letter; so it is before the first

    def take(self, rows: Tensor) -> _Heard:
        return _Heard(*(getattr(self, name)[rows] for name in self.__slots__))


@dataclass(slots=True)
class _Lanes:
    """Candidates that were weighed. ``entered`` (n, W): alignments that have just begun the last letter, ``scale``d."""

    entered: Tensor
    scale: Tensor
    prefix: Tensor
    last: Tensor
    wrote: Tensor  # whether the token wrote a letter; if not, ``entered`` means nothing


class CtcJudge:
    """Scores candidate tokens of a beam search by the CTC head's output for the clips."""

    def __init__(
        self, log_probs: Tensor, lengths: Tensor, beams: int, spellings: Tensor, stop: int, weight: float, bonus: float
    ) -> None:
        """``log_probs`` (B, T, classes), ``lengths`` (B,) in frames, ``spellings`` as ``spell_tokens`` gives them.

        ``weight`` (not below 0) multiplies what the CTC head says; ``bonus`` is given for each letter, since texts of
        unequal length compete.
        """
        clips, frames, _ = log_probs.shape
        self.spellings, self.stop, self.beams, self.weight, self.bonus = spellings, stop, beams, weight, bonus
        self._letters = ((spellings >= 0) & (spellings != ctc.SPACE)).sum(1)  # (V,)
        self._longest = (spellings >= 0).sum(1)
        beyond = torch.arange(frames, device=lengths.device) >= lengths[:, None]
        logs = log_probs.double().clamp_min(_LEAST).transpose(1, 2)
        logs[:, ctc.BLANK] = logs[:, ctc.BLANK].masked_fill(beyond, 0.0)
        self._silence = F.pad(logs[:, ctc.BLANK].cumsum(-1), (1, 0))  # (B, T + 1)
        self._frames = logs.exp()  # (B, classes, T)
        self._frames[:, ctc.BLANK + 1 :] *= ~beyond[:, None]
        silence = self._silence.exp().repeat_interleave(beams, 0)
        zeros = silence.new_zeros(clips * beams)
        self._texts = _Heard(
            torch.zeros_like(silence), silence, zeros, zeros, torch.full_like(zeros, ctc.SPACE).long(), zeros == 0
        )

    def weigh(self, tokens: Tensor, scores: Tensor, ended: Tensor | None = None) -> Tensor:
        """``scores`` (B, K, C) of ``tokens`` (B, K, C) with the CTC head's word added.

        Those that cannot be among a clip's K best come back as minus infinity. Beams that have ``ended`` (B, K) keep
        their scores.
        """
        self._look(ended)
        self._tokens = tokens
        self._lanes: list[_Lanes] = []
        self._lane_of = torch.full_like(tokens.flatten(), -1)  # no lane: nothing is written
        bounds = self._bounds(tokens).masked_fill_(self._over(ended, tokens), 0.0) + scores
        order = bounds.flatten(1).argsort(1, descending=True)
        weighed = torch.full_like(bounds, -torch.inf).flatten(1)
        chunk, count = max(8, 2 * self.beams), order.shape[1]
        for first in range(0, count, chunk):
            some = order[:, first : first + chunk]
            weighed.scatter_(1, some, scores.flatten(1).gather(1, some) + self._gains(some, ended))
            if first + chunk < count:
                rest = bounds.flatten(1).gather(1, order[:, first + chunk, None])[:, 0]
                if bool((weighed.topk(self.beams).values[:, -1] >= rest).all()):
                    break
        return weighed.view_as(scores).to(scores.dtype)

    def follow(self, lanes: Tensor) -> None:
        """Go on from the candidates ``lanes`` (B, K), counted over each clip's K * C."""
        per_clip = self._tokens[0].numel()
        chosen = (lanes + torch.arange(len(lanes), device=lanes.device)[:, None] * per_clip).flatten()
        texts, tokens = self._texts.take(chosen // self._tokens.shape[-1]), self._tokens.flatten()[chosen]
        weighed = _joined(self._lanes)
        lane = self._lane_of[chosen]
        writes = ((lane >= 0) & weighed.wrote[lane]).nonzero()[:, 0]
        texts.mute = self._letters[tokens] == 0
        self._texts = texts
        if len(writes):
            self._write(writes, lane[writes], weighed)

    def keep(self, rows: Tensor) -> None:
        """Leave only the clips ``rows`` in the batch."""
        beams = (rows[:, None] * self.beams + torch.arange(self.beams, device=rows.device)).flatten()
        self._texts, self._silence, self._frames = self._texts.take(beams), self._silence[rows], self._frames[rows]

    def _look(self, ended: Tensor | None) -> None:
        """Choose each clip's window: from the first moment that matters to a beam to the last it may write in next."""
        whole = self._by_clip(self._texts.letter + self._texts.blank)  # (B, K, T + 1)
        over = torch.zeros_like(whole[..., 0], dtype=torch.bool) if ended is None else ended & ~ended.all(1)[:, None]
        frames = whole.shape[-1] - 1
        first = (whole > _FORGOTTEN).int().argmax(-1).masked_fill(over, frames).amin(1)
        last = (whole > _SAID).int().argmax(-1).masked_fill(over, 0).amax(1) + _REACH
        width = int((last.clamp_max(frames) - first).max().clamp_min(1))
        self._first = first.clamp_max(frames - width)
        at = self._first[:, None] + torch.arange(width + 1, device=first.device)  # (B, W + 1)
        self._at = at.repeat_interleave(self.beams, 0)
        depth = self._silence.gather(1, at)
        self._hush = (depth - depth[:, :1]).clamp_min(-_DEEPEST).exp()  # (B, W + 1): all blank since the first moment
        classes = self._frames.shape[1]
        self._sounds = self._frames.gather(2, at[:, None, :-1].expand(-1, classes, -1))  # (B, classes, W)
        self._seen = self._texts.letter.gather(1, self._at), self._texts.blank.gather(1, self._at)

    def _bounds(self, tokens: Tensor) -> Tensor:
        """No less (B, K, C) than what each token can gain: exact where it has one letter or none."""
        letter, blank = (self._by_clip(values[:, :-1]) for values in self._seen)
        sounds = self._sounds.transpose(1, 2)
        fresh = (letter + blank) @ sounds  # (B, K, classes): probability of all texts that go on with that letter
        last = self._texts.last.view(-1, self.beams, 1)
        fresh.scatter_(2, last, (blank @ sounds).gather(2, last))
        fresh = fresh.log() + (self._texts.scale - self._texts.prefix).view(-1, self.beams, 1)
        first = self.spellings[tokens, 0]
        skipped = (first == ctc.SPACE) & (last == ctc.SPACE)
        gains = fresh.gather(2, first.clamp_min(0)).clamp_max_(0.0).masked_fill_((first < 0) | skipped, 0.0)
        bounds: Tensor = self.weight * gains.clamp_min_(_NEVER) + self.bonus * self._letters[tokens]
        return bounds

    def _gains(self, some: Tensor, ended: Tensor | None) -> Tensor:
        """What the candidates ``some`` (B, m), counted over each clip's K * C, gain; their lanes are kept."""
        clips = torch.arange(len(some), device=some.device)[:, None]
        candidates = self._tokens.shape[-1]
        beams, tokens = some // candidates + clips * self.beams, self._tokens.flatten(1).gather(1, some)
        lanes = self._extended(beams.flatten(), tokens.flatten())
        self._lane_of[(some + clips * self._tokens[0].numel()).flatten()] = torch.arange(
            lanes.prefix.numel(), device=some.device
        ) + sum(len(before.prefix) for before in self._lanes)
        self._lanes.append(lanes)
        spoken, stops = self._letters[tokens], tokens == self.stop
        gains = self.weight * (lanes.prefix.view_as(some) - self._texts.prefix[beams]) + self.bonus * spoken
        mute = (spoken == 0) & ~stops  # marks cost the CTC head nothing, so two in a row would be a way to wait
        gains = gains.masked_fill(mute & self._texts.mute[beams], _NEVER)
        return gains if ended is None else gains.masked_fill(ended.flatten()[beams], 0.0)

    def _by_clip(self, values: Tensor) -> Tensor:
        return values.reshape(-1, self.beams, values.shape[-1])

    def _over(self, ended: Tensor | None, tokens: Tensor) -> Tensor:
        return torch.zeros_like(tokens, dtype=torch.bool) if ended is None else ended[..., None].expand_as(tokens)

    def _extended(self, beams: Tensor, tokens: Tensor) -> _Lanes:
        """The texts of ``beams`` (n,) with ``tokens`` (n,) written."""
        texts, letters = self._texts, self.spellings[tokens]
        width = self._at.shape[1] - 1
        entered = texts.letter.new_zeros(len(beams), width)
        prefix = torch.where(tokens == self.stop, self._finished()[beams], texts.prefix[beams])
        lanes = _Lanes(
            entered, texts.scale[beams], prefix, texts.last[beams], torch.zeros_like(tokens, dtype=torch.bool)
        )
        for place in range(int(self._longest[tokens].max())):
            letter = letters[:, place]
            writes = ((letter >= 0) & ~((letter == ctc.SPACE) & (lanes.last == ctc.SPACE))).nonzero()[:, 0]
            if len(writes):
                self._enter(lanes, beams, writes, letter[writes])
        return lanes

    def _enter(self, lanes: _Lanes, beams: Tensor, writes: Tensor, letters: Tensor) -> None:
        """Begin ``letters`` in the lanes ``writes``."""
        at, last = beams[writes], lanes.last[writes]
        before = self._seen[0][at], self._seen[1][at]
        if bool(lanes.wrote[writes].any()):
            written = self._settled(lanes, writes, at // self.beams)
            before = tuple(
                torch.where(lanes.wrote[writes, None], new, old) for new, old in zip(written, before, strict=True)
            )  # type: ignore[assignment]
        held, rested = before
        ready = rested[:, :-1] + held[:, :-1] * (last != letters)[:, None]
        entered = ready * self._sounds[at // self.beams, letters]
        total = entered.sum(-1)
        largest = entered.amax(-1).clamp_min(1e-300)
        lanes.prefix[writes] = total.log().clamp_min(_NEVER) + lanes.scale[writes]
        lanes.scale[writes] += largest.log()
        lanes.entered[writes] = entered / largest[:, None]
        lanes.last[writes], lanes.wrote[writes] = letters, True

    def _settled(self, lanes: _Lanes, rows: Tensor, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Alignments (n, W + 1) at each moment of the window that end in the last letter, and in a blank after it."""
        staying = self._sounds[clips, lanes.last[rows]]
        held = lanes.entered[rows]
        for shift in _HELD:
            held[:, shift:] += held[:, :-shift] * staying[:, shift:]
            staying = torch.cat([staying[:, :shift], staying[:, shift:] * staying[:, :-shift]], 1)
        letter, hush = F.pad(held, (1, 0)), self._hush[clips]
        rested = F.pad((letter / hush).cumsum(-1)[:, :-1], (1, 0)) * hush
        return letter, rested

    def _write(self, rows: Tensor, lanes: Tensor, weighed: _Lanes) -> None:
        """Put what the ``lanes`` wrote into the texts ``rows``, silence behind the window."""
        texts, clips = self._texts, rows // self.beams
        letter, blank = self._settled(weighed, lanes, clips)
        largest = torch.maximum(letter.amax(-1), blank.amax(-1)).clamp_min(1e-300)[:, None]
        letter, blank = letter / largest, blank / largest
        at, moments = self._at[rows], torch.arange(texts.letter.shape[1], device=rows.device)
        silence, end = self._silence[clips], at[:, -1:]
        rest = (silence - silence.gather(1, end)).clamp_max(0.0).exp() * (letter[:, -1:] + blank[:, -1:])
        texts.letter[rows] = torch.zeros_like(rest).scatter_(1, at, letter)
        texts.blank[rows] = (rest * (moments > end)).scatter_(1, at, blank)
        texts.scale[rows] = weighed.scale[lanes] + largest[:, 0].log()
        texts.prefix[rows], texts.last[rows] = weighed.prefix[lanes], weighed.last[lanes]

    def _finished(self) -> Tensor:
        """Log-probability (B * K,) of each beam's text if nothing follows it."""
        whole = self._texts.letter[:, -1] + self._texts.blank[:, -1]
        return (whole.log() + self._texts.scale).clamp_min(_NEVER)


def _joined(parts: list[_Lanes]) -> _Lanes:
    return _Lanes(*(torch.cat([getattr(part, name) for part in parts]) for name in _Lanes.__slots__))


@lru_cache(maxsize=2)
def spell_tokens(tokenizer: Tokenizer) -> Tensor:
    """CTC classes of what each token adds to a text (V, most letters), -1 where there are no more."""
    spelled = [ctc.classes(piece) for piece in tokenizer.pieces(range(tokenizer.size))]
    table = torch.full((len(spelled), max(map(len, spelled))), -1)
    for row, letters in zip(table, spelled, strict=True):
        row[: len(letters)] = torch.tensor(letters, dtype=torch.long)
    return table
