"""Hearing a clip as if its speaker were a little taller or smaller: what the CTC head is surest of is kept.

Resonances of the voice lie the higher, the shorter the way from the lips to the larynx is. A network that knows few
voices knows few such lengths; to move the frequency axis (vocal tract length normalisation, Lee and Rose, 1998) brings
a voice nearer to one that it knows.

Shapes: B clips, T mel frames, F frames of the CTC head.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gptasr_subs.model.config import FrontEnd
from gptasr_subs.model.network import Encoded, GptAsr

_STRAIGHT = 0.8  # share of the mel axis, from its low end, that moves by the whole factor


def surest(network: GptAsr, mel: Tensor, lengths: Tensor, factors: Sequence[float]) -> tuple[Encoded, Tensor]:
    """Mel positions of ``mel`` (B, n_mels, T) and what the CTC head says of them, (B, F, classes), log-probabilities.

    Each clip as it is, or with its formants moved by one of ``factors``: so that the head's likeliest class has the
    highest mean. The network must have a CTC head.
    """
    hearings = [_hear(network, mel, lengths)]
    hearings += [_hear(network, moved(mel, factor, network.config.front_end), lengths) for factor in factors]
    if len(hearings) == 1:
        return hearings[0]
    counts = lengths_of(hearings[0][0]) * network.config.ctc_frames
    best = torch.stack([_sureness(log_probs, counts) for _, log_probs in hearings]).argmax(0)
    clips = torch.arange(len(mel), device=mel.device)
    features = torch.stack([encoded.features for encoded, _ in hearings])[best, clips]
    return Encoded(features, hearings[0][0].lengths), torch.stack([heard for _, heard in hearings])[best, clips]


def lengths_of(encoded: Encoded) -> Tensor:
    """How many mel positions each clip has (B,)."""
    assert encoded.lengths is not None
    return encoded.lengths


def moved(mel: Tensor, factor: float, front: FrontEnd) -> Tensor:
    """Normalised log-mels (..., n_mels, T) read at ``factor`` times each place of the mel axis; padding is not kept."""
    matrix, bias = (part.to(mel) for part in _movement(factor, front))
    return matrix @ mel + bias


@lru_cache(maxsize=16)
def _movement(factor: float, front: FrontEnd) -> tuple[Tensor, Tensor]:
    """Normalisation undone, interpolation, normalisation: a matrix (n_mels, n_mels) and what is added (n_mels, 1)."""
    shift, scale = (np.array(column) for column in (front.shift or (0.0,), front.scale or (1.0,)))
    position = axis_positions(front.n_mels, factor)
    below = np.minimum(position.astype(int), front.n_mels - 2)
    reading = np.zeros((front.n_mels, front.n_mels))
    rows = np.arange(front.n_mels)
    reading[rows, below], reading[rows, below + 1] = 1 - (position - below), position - below
    matrix = reading * scale / scale.reshape(-1, 1)
    bias = (reading @ np.broadcast_to(shift, front.n_mels) - shift) / scale
    return torch.from_numpy(matrix).float(), torch.from_numpy(bias).float()[:, None]


def axis_positions(bins: int, factor: float) -> NDArray[np.float64]:
    """Where on a mel axis of ``bins`` each bin is read (bins,) to move what is there; the top edge stays in place."""
    knee, top = _STRAIGHT * bins / max(factor, 1.0), bins - 1
    axis = np.arange(bins)
    tail = (top - knee * factor) / (top - knee)
    position: NDArray[np.float64] = np.where(axis < knee, axis * factor, top - (top - axis) * tail)
    return position.clip(0, top)


def _hear(network: GptAsr, mel: Tensor, lengths: Tensor) -> tuple[Encoded, Tensor]:
    assert network.ctc_head is not None
    encoded = network.encode_in_parts(mel, lengths)
    return encoded, network.ctc_head(encoded.features)


def _sureness(log_probs: Tensor, counts: Tensor) -> Tensor:
    """Mean log-probability (B,) of the likeliest class in the first ``counts`` (B,) frames of each clip."""
    counted = torch.arange(log_probs.shape[1], device=log_probs.device) < counts[:, None]
    return (log_probs.amax(-1) * counted).sum(1) / counts
