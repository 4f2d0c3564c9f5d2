"""Where the adapter begins: the positions that the checkpoint's old encoder gave for a clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from gptasr_subs.model.checkpoint import Checkpoint
from gptasr_subs.model.config import ModelConfig
from gptasr_subs.model.log_mel import LogMel
from gptasr_subs.training.store import SAMPLE_RATE
from gptasr_subs.types import FloatArray


class OldEncoder:
    """Gives the targets of an adapter, so that the GPT can go on with its positions at once."""

    def __init__(self, checkpoint: Checkpoint, config: ModelConfig) -> None:
        """``checkpoint`` is of generation 1 or 2; ``config`` is that of the new network."""
        self._network = checkpoint.model.eval()
        self._front = checkpoint.config.front_end
        self._log_mel = LogMel(self._front)
        # old positions to one new position
        self._spacing = config.seconds_per_position / checkpoint.config.seconds_per_position

    @torch.inference_mode()
    def positions(self, clips: Sequence[FloatArray], lengths: Tensor) -> Tensor:
        """Old positions (B, N, D) of ``clips`` at the new ones, and how many (B,) each has."""
        import soxr

        rows = []
        with torch.autocast("cpu", enabled=False):  # log-mels lose too much in bfloat16
            for samples, length in zip(clips, lengths.tolist(), strict=True):
                sound = torch.from_numpy(
                    soxr.resample(samples, SAMPLE_RATE, self._front.sample_rate)
                )
                old = self._network.encode(self._log_mel(sound[None])).features[0]  # (M, D)
                # The centre of new position n lies at (n + 0.5) * spacing - 0.5 among the old ones;
                # its target is interpolated between the two beside it.
                centre = (np.arange(int(length)) + 0.5) * self._spacing - 0.5
                centre = centre.clip(0, len(old) - 1)
                low = torch.from_numpy(centre.astype(np.int64))
                high = (low + 1).clamp_max(len(old) - 1)
                share = torch.from_numpy((centre % 1).astype(np.float32))[:, None]
                rows.append(old[low] * (1 - share) + old[high] * share)
        return pad_sequence(rows, batch_first=True)


def distance(positions: Tensor, target: Tensor, lengths: Tensor) -> Tensor:
    """Return the mean squared distance of ``positions`` (B, N, D) from ``target``, over its
    variances.
    """
    # sum over d of (p_d - t_d)^2 / var(t_d), averaged; only positions inside the clips count.
    inside = torch.arange(target.shape[1]) < lengths[:, None]
    wanted = target[inside]
    deviation = wanted.std(0) + 1e-3  # (D,): every dimension counts the same
    return F.mse_loss(positions[inside] / deviation, wanted / deviation)
