"""CTC prefix scores: what the CTC head says of a text while the GPT is still writing it.

The GPT knows language, the CTC head knows sounds. For each token that a beam may write next, the
scorer gives the change in the log of the CTC prefix probability

    psi(g) = sum of P(text | audio) over all texts that begin with g

of Graves (2008; "Supervised Sequence Labelling with Recurrent Neural Networks", 2012, section 7.5),
joined to an attention decoder as by Watanabe et al. (2017, "Hybrid CTC/Attention Architecture for
End-to-End Speech Recognition", algorithm 2).

For a prefix g with last character c, two forward variables are kept. With y_t(k) the probability of
class k in frame t, they are the probability of all alignments of frames 1..t with g that end

    in c itself:  gamma_nonblank_t(g) = (gamma_nonblank_{t-1}(g) + phi_t) y_t(c)
    in a blank:   gamma_blank_t(g)    = (gamma_blank_{t-1}(g) + gamma_nonblank_{t-1}(g)) y_t(blank)

where phi_t is the probability that the prefix h before c was complete in frame t - 1 and c may
begin now: gamma_blank_{t-1}(h), and also gamma_nonblank_{t-1}(h) unless h ends in c too (two equal
characters need a blank between them). Every continuation of g passes through the frame in which c
begins, so

    psi(g) = sum over t of phi_t * y_t(c).

No loop runs over frames: gamma_blank is a cumulative sum after division by the product of the blank
probabilities, and gamma_nonblank is summed in four doublings.

Most candidates need no exact score. The score of a token's first character is one matrix product
for all characters, and more characters can only lower it. Candidates are therefore scored in the
order of that upper bound, until the rest cannot be among the best.

Shapes: B clips, K beams, C candidate tokens, n extensions (candidates that are scored exactly), T
CTC frames, W frames of a window. A boundary lies before or behind a frame, so there are T + 1.
Forward variables are probabilities in float64, divided by the largest of their row (``log_scale``
has what was divided by); everything else is a natural logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from gptasr_subs.model import ctc
from gptasr_subs.model.tokenizer import Tokenizer

_LOG_ZERO = -1e4
_MIN_LOG_PROB = -18.0  # no frame rules a character out for good
_NEGLIGIBLE = 1.4e-11  # share of the likeliest boundary at which an alignment no longer matters
_COMPLETE = 0.37  # share at which a prefix counts as spoken to its end
# frames (4 s) within which the next token must be spoken; gaps in a window are far shorter
_MAX_GAP = 128
_MAX_BLANK_RUN = 600.0  # nats of blanks within a window; float64 holds their inverse
_DOUBLINGS = (1, 2, 4, 8)  # shifts that add up to 15 frames (half a second) of one character


@dataclass(slots=True)
class _PrefixState:
    """The forward variables of B * K prefixes, one a row of each tensor (n, ...)."""

    gamma_nonblank: (
        Tensor  # (n, T + 1): alignments up to each boundary that end in the last character
    )
    gamma_blank: Tensor  # (n, T + 1): those that end in a blank
    log_scale: Tensor  # (n,) logarithm of what both were divided by
    log_psi: Tensor  # (n,) log-probability of all texts that begin with the prefix
    last: Tensor  # (n,) class of the last character; a space before the first
    no_letters: Tensor  # (n,) whether the last token had no letters; true before the first

    def select(self, rows: Tensor) -> _PrefixState:
        return _PrefixState(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(slots=True)
class _Extensions:
    """Candidates that were scored exactly: prefixes with a token written, one a row."""

    # phi_t * y_t(c), the last character begins in frame t, (n, W), divided by its largest
    new_label: Tensor
    log_scale: Tensor  # (n,) logarithm of what that was divided by
    log_psi: Tensor  # (n,)
    last: Tensor  # (n,)
    has_letters: (
        Tensor  # (n,) whether the token wrote a character; if not, ``new_label`` means nothing
    )


class CtcPrefixScorer:
    """Scores candidate tokens of a beam search by the CTC head's output for the clips.

    As the protocol ``Scorer`` says, each step of the search calls ``shortlist``, ``score`` and
    ``select``; ``retain`` when clips leave the batch.
    """

    def __init__(
        self,
        log_probs: Tensor,
        lengths: Tensor,
        *,
        beam_size: int,
        token_labels: Tensor,
        stop: int,
        weight: float,
        bonus: float,
    ) -> None:
        """``log_probs`` (B, T, classes), ``lengths`` (B,); ``token_labels`` from ``encode_tokens``.

        ``weight`` (not below 0) multiplies the CTC log-probability; ``bonus`` is added for each
        letter, since texts of unequal length compete.
        """
        clips, frames, _ = log_probs.shape
        self.token_labels = token_labels
        self.stop = stop
        self.beam_size = beam_size
        self.weight = weight
        self.bonus = bonus
        self._letter_counts = ((token_labels >= 0) & (token_labels != ctc.SPACE)).sum(1)  # (V,)
        self._label_counts = (token_labels >= 0).sum(1)  # (V,)
        self._first_labels = token_labels[:, 0] % (log_probs.shape[-1] + 1)  # (V,) last: no label

        # Frames behind a clip's end are certain blanks: there y(blank) = 1 and all other y are 0.
        beyond = torch.arange(frames, device=lengths.device) >= lengths[:, None]
        logs = log_probs.double().clamp_min(_MIN_LOG_PROB).transpose(1, 2)  # (B, classes, T)
        logs[:, ctc.BLANK] = logs[:, ctc.BLANK].masked_fill(beyond, 0.0)
        self._frame_probs = logs.exp()  # y: (B, classes, T)
        self._frame_probs[:, ctc.BLANK + 1 :] *= ~beyond[:, None]

        # The empty prefix has seen nothing but blanks: gamma_blank_t = product of y(blank) up to t.
        self._log_blanks = F.pad(logs[:, ctc.BLANK].cumsum(-1), (1, 0))  # (B, T + 1)
        blanks = self._log_blanks.exp().repeat_interleave(beam_size, 0)  # (B * K, T + 1)
        zeros = blanks.new_zeros(clips * beam_size)
        self._prefixes = _PrefixState(
            gamma_nonblank=torch.zeros_like(blanks),
            gamma_blank=blanks,
            log_scale=zeros,
            log_psi=zeros,
            last=torch.full_like(zeros, ctc.SPACE).long(),
            no_letters=zeros == 0,
        )

    def shortlist(self, gains: Tensor, size: int, ended: Tensor) -> Tensor:
        """Return the ``size`` best tokens (B, K, C) by ``gains`` (B, K, V); begins a step."""
        self._ended = ended
        self._choose_windows()
        self._find_log_ratios()
        return gains.topk(size).indices

    def score(self, tokens: Tensor, scores: Tensor) -> Tensor:
        """``scores`` (B, K, C) of ``tokens`` (B, K, C) with the CTC head's share added.

        Those that cannot be among a clip's K best come back as minus infinity. Beams that have
        ended keep their scores.
        """
        self._tokens = tokens
        self._extensions: list[_Extensions] = []
        self._extension_of = torch.full_like(tokens.flatten(), -1)  # -1: not scored exactly
        bounds = self.upper_bounds(tokens).masked_fill_(self._ended[..., None], 0.0)
        bounds = bounds + scores  # (B, K, C)

        # Chunk by chunk in falling order of the bound. Once each clip has K exact scores that are
        # no lower than the bound of its next candidate, none of the rest can be among its K best.
        order = bounds.flatten(1).argsort(1, descending=True)  # (B, K * C)
        exact = torch.full_like(bounds, -torch.inf).flatten(1)
        chunk = max(8, 2 * self.beam_size)
        count = order.shape[1]
        for first in range(0, count, chunk):
            chosen = order[:, first : first + chunk]
            deltas = self._score_exactly(chosen)
            exact.scatter_(1, chosen, scores.flatten(1).gather(1, chosen) + deltas)
            if first + chunk < count:
                next_bound = bounds.flatten(1).gather(1, order[:, first + chunk, None])[:, 0]
                if bool((exact.topk(self.beam_size).values[:, -1] >= next_bound).all()):
                    break
        return exact.view_as(scores).to(scores.dtype)

    def select(self, candidates: Tensor) -> None:
        """Continue from ``candidates`` (B, K) of those last scored, counted by clip, K * C each."""
        per_clip = self._tokens[0].numel()
        offsets = torch.arange(len(candidates), device=candidates.device)[:, None] * per_clip
        chosen = (candidates + offsets).flatten()  # (B * K,) over all B * K * C candidates
        tokens = self._tokens.flatten()[chosen]
        parents = self._prefixes.select(chosen // self._tokens.shape[-1])
        extensions = _Extensions(
            *(
                torch.cat([getattr(part, field.name) for part in self._extensions])
                for field in fields(_Extensions)
            )
        )
        extension = self._extension_of[chosen]
        writes = ((extension >= 0) & extensions.has_letters[extension]).nonzero()[:, 0]
        parents.no_letters = self._letter_counts[tokens] == 0
        self._prefixes = parents
        if len(writes):
            self._extend_prefixes(writes, extension[writes], extensions)

    def retain(self, clips: Tensor) -> None:
        """Leave only the ``clips`` in the batch."""
        beams = torch.arange(self.beam_size, device=clips.device)
        self._prefixes = self._prefixes.select((clips[:, None] * self.beam_size + beams).flatten())
        self._log_blanks = self._log_blanks[clips]
        self._frame_probs = self._frame_probs[clips]

    def _choose_windows(self) -> None:
        """Choose the W frames of each clip in which its beams may write their next token.

        They begin at the first boundary that matters to any of its beams.
        """
        # (B, K, T + 1)
        total = self._by_clip(self._prefixes.gamma_nonblank + self._prefixes.gamma_blank)
        idle = self._ended & ~self._ended.all(1)[:, None]
        frames = total.shape[-1] - 1
        first = (total > _NEGLIGIBLE).int().argmax(-1).masked_fill(idle, frames).amin(1)  # (B,)
        last = (total > _COMPLETE).int().argmax(-1).masked_fill(idle, 0).amax(1) + _MAX_GAP
        # one W for the whole batch
        width = int((last.clamp_max(frames) - first).max().clamp_min(1))
        first = first.clamp_max(frames - width)
        # (B, W + 1) boundaries
        window = first[:, None] + torch.arange(width + 1, device=first.device)
        self._window = window.repeat_interleave(self.beam_size, 0)  # (B * K, W + 1)

        # Probability of nothing but blanks from the window's first boundary on, (B, W + 1).
        log_blanks = self._log_blanks.gather(1, window)
        self._blank_run = (log_blanks - log_blanks[:, :1]).clamp_min(-_MAX_BLANK_RUN).exp()

        # y and gamma inside the window: (B, classes, W) and (B * K, W + 1).
        classes = self._frame_probs.shape[1]
        inside = window[:, None, :-1].expand(-1, classes, -1)
        self._window_probs = self._frame_probs.gather(2, inside)
        self._window_nonblank = self._prefixes.gamma_nonblank.gather(1, self._window)
        self._window_blank = self._prefixes.gamma_blank.gather(1, self._window)

    def _find_log_ratios(self) -> None:
        """Compute log psi(g + c) - log psi(g) of each prefix g and class c, (B, K, classes + 1)."""
        nonblank = self._by_clip(self._window_nonblank[:, :-1])  # (B, K, W)
        blank = self._by_clip(self._window_blank[:, :-1])
        frame_probs = self._window_probs.transpose(1, 2)  # (B, W, classes)

        # psi(g + c) = sum over t of phi_t * y_t(c) is a product of matrices over time for all c at
        # once. Only where c equals the last character, phi is gamma_blank alone.
        psi = (nonblank + blank) @ frame_probs
        last = self._prefixes.last.view(-1, self.beam_size, 1)
        psi.scatter_(2, last, (blank @ frame_probs).gather(2, last))
        log_norm = (self._prefixes.log_scale - self._prefixes.log_psi).view(-1, self.beam_size, 1)
        log_ratios = (psi.log() + log_norm).clamp_(_LOG_ZERO, 0.0)
        # A space behind a space changes nothing, nor do tokens without characters: the last column.
        log_ratios[..., ctc.SPACE].masked_fill_(last[..., 0] == ctc.SPACE, 0.0)
        self._log_ratios = F.pad(log_ratios, (0, 1))

    def upper_bounds(self, tokens: Tensor | None = None) -> Tensor:
        """At least (B, K, C) the score that ``tokens`` add in this step, or all tokens (B, K, V).

        Exact for those of one character or none.
        """
        if tokens is None:
            deltas = self._log_ratios.float()[..., self._first_labels]
            return self.weight * deltas + self.bonus * self._letter_counts
        deltas = self._log_ratios.gather(2, self._first_labels[tokens])
        return self.weight * deltas + self.bonus * self._letter_counts[tokens]

    def _score_exactly(self, chosen: Tensor) -> Tensor:
        """Return what the candidates ``chosen`` (B, m), counted over each clip's K * C, add to the
        score.

        The prefixes that they make are kept for ``select``.
        """
        clips = torch.arange(len(chosen), device=chosen.device)[:, None]
        beams = chosen // self._tokens.shape[-1] + clips * self.beam_size  # (B, m) of B * K
        tokens = self._tokens.flatten(1).gather(1, chosen)
        extensions = self._extend(beams.flatten(), tokens.flatten())
        numbers = torch.arange(extensions.log_psi.numel(), device=chosen.device)
        earlier = sum(len(part.log_psi) for part in self._extensions)
        self._extension_of[(chosen + clips * self._tokens[0].numel()).flatten()] = numbers + earlier
        self._extensions.append(extensions)

        letters = self._letter_counts[tokens]
        deltas = extensions.log_psi.view_as(chosen) - self._prefixes.log_psi[beams]
        scores = self.weight * deltas + self.bonus * letters
        # Punctuation costs the CTC head nothing, so two such tokens in a row would be a way to
        # wait.
        no_letters = (letters == 0) & (tokens != self.stop)
        scores = scores.masked_fill(no_letters & self._prefixes.no_letters[beams], _LOG_ZERO)
        return scores.masked_fill(self._ended.flatten()[beams], 0.0)

    def _by_clip(self, values: Tensor) -> Tensor:
        """``values`` (B * K, ...) as (B, K, ...)."""
        return values.reshape(-1, self.beam_size, values.shape[-1])

    def _extend(self, beams: Tensor, tokens: Tensor) -> _Extensions:
        """Return the prefixes of ``beams`` (n,) with ``tokens`` (n,) written, character by
        character.
        """
        prefixes = self._prefixes
        # The stop token ends the text: psi becomes the probability of exactly this text, which is
        # gamma_nonblank_T + gamma_blank_T.
        complete = prefixes.gamma_nonblank[:, -1] + prefixes.gamma_blank[:, -1]
        log_complete = (complete.log() + prefixes.log_scale).clamp_min(_LOG_ZERO)  # (B * K,)
        extensions = _Extensions(
            new_label=prefixes.gamma_nonblank.new_zeros(len(beams), self._window.shape[1] - 1),
            log_scale=prefixes.log_scale[beams],
            log_psi=torch.where(tokens == self.stop, log_complete[beams], prefixes.log_psi[beams]),
            last=prefixes.last[beams],
            has_letters=torch.zeros_like(tokens, dtype=torch.bool),
        )
        labels = self.token_labels[tokens]  # (n, most characters of a token)
        for position in range(int(self._label_counts[tokens].max())):
            label = labels[:, position]
            double_space = (label == ctc.SPACE) & (extensions.last == ctc.SPACE)
            writes = ((label >= 0) & ~double_space).nonzero()[:, 0]
            if len(writes):
                self._append_label(extensions, beams, writes, label[writes])
        return extensions

    def _append_label(
        self, extensions: _Extensions, beams: Tensor, writes: Tensor, labels: Tensor
    ) -> None:
        """Write ``labels`` (m,) behind the extensions ``writes`` (m,)."""
        parents = beams[writes]
        clips = parents // self.beam_size
        last = extensions.last[writes]
        gamma_nonblank = self._window_nonblank[parents]  # (m, W + 1)
        gamma_blank = self._window_blank[parents]
        started = extensions.has_letters[writes, None]
        if bool(started.any()):
            # Behind a token's first character, the forward variables are those of the extension
            # itself.
            nonblank, blank = self._forward_variables(extensions, writes, clips)
            gamma_nonblank = torch.where(started, nonblank, gamma_nonblank)
            gamma_blank = torch.where(started, blank, gamma_blank)

        # phi_t * y_t(c), and psi as its sum over t.
        phi = gamma_blank[:, :-1] + gamma_nonblank[:, :-1] * (last != labels)[:, None]  # (m, W)
        new_label = phi * self._window_probs[clips, labels]
        total = new_label.sum(-1)
        largest = new_label.amax(-1).clamp_min(1e-300)
        extensions.log_psi[writes] = total.log().clamp_min(_LOG_ZERO) + extensions.log_scale[writes]
        extensions.log_scale[writes] += largest.log()
        extensions.new_label[writes] = new_label / largest[:, None]
        extensions.last[writes] = labels
        extensions.has_letters[writes] = True

    def _forward_variables(
        self, extensions: _Extensions, rows: Tensor, clips: Tensor
    ) -> tuple[Tensor, Tensor]:
        """gamma_nonblank and gamma_blank (m, W + 1) of extensions ``rows`` of ``clips`` (m,)."""
        # gamma_nonblank_t = sum over s of new_label_{t-s} * y_{t-s+1}(c) * ... * y_t(c). After the
        # doubling by d, sums reach back 2 * d - 1 frames and ``run`` is the product of 2 * d
        # frames.
        run = self._window_probs[clips, extensions.last[rows]]  # (m, W)
        held = extensions.new_label[rows]
        for shift in _DOUBLINGS:
            held[:, shift:] += held[:, :-shift] * run[:, shift:]
            run = torch.cat([run[:, :shift], run[:, shift:] * run[:, :-shift]], 1)
        gamma_nonblank = F.pad(held, (1, 0))

        # gamma_blank_t / blank_run_t = sum over s < t of gamma_nonblank_s / blank_run_s.
        blank_run = self._blank_run[clips]
        before = (gamma_nonblank / blank_run).cumsum(-1)[:, :-1]
        return gamma_nonblank, F.pad(before, (1, 0)) * blank_run

    def _extend_prefixes(self, rows: Tensor, chosen: Tensor, extensions: _Extensions) -> None:
        """Put the ``chosen`` extensions in place of the prefixes ``rows``."""
        prefixes = self._prefixes
        clips = rows // self.beam_size
        nonblank, blank = self._forward_variables(extensions, chosen, clips)
        largest = torch.maximum(nonblank.amax(-1), blank.amax(-1)).clamp_min(1e-300)[:, None]
        nonblank = nonblank / largest
        blank = blank / largest

        # From the window back to all T + 1 boundaries: nothing before it, only blanks behind it.
        window = self._window[rows]
        boundaries = torch.arange(prefixes.gamma_nonblank.shape[1], device=rows.device)
        log_blanks = self._log_blanks[clips]
        end = window[:, -1:]
        blanks_after = (log_blanks - log_blanks.gather(1, end)).clamp_max(0.0).exp()
        tail = blanks_after * (nonblank[:, -1:] + blank[:, -1:])
        prefixes.gamma_nonblank[rows] = torch.zeros_like(tail).scatter_(1, window, nonblank)
        prefixes.gamma_blank[rows] = (tail * (boundaries > end)).scatter_(1, window, blank)
        prefixes.log_scale[rows] = extensions.log_scale[chosen] + largest[:, 0].log()
        prefixes.log_psi[rows] = extensions.log_psi[chosen]
        prefixes.last[rows] = extensions.last[chosen]


@lru_cache(maxsize=2)
def encode_tokens(tokenizer: Tokenizer) -> Tensor:
    """CTC classes of what each token adds to a text (V, most characters), padded with -1."""
    labels = [ctc.encode_piece(piece) for piece in tokenizer.pieces(range(tokenizer.size))]
    table = torch.full((len(labels), max(map(len, labels))), -1)
    for row, label in zip(table, labels, strict=True):
        row[: len(label)] = torch.tensor(label, dtype=torch.long)
    return table
