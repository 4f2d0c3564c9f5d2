"""Samples to log-mel frames, for both generations of the front end."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from gptasr_subs.model.config import FrontEnd

_MOST_GAIN = 30.0  # a window of room tone must not be blown up to the level of speech


class LogMel(nn.Module):
    """Log-mel spectrogram as the checkpoint's front end wants it."""

    window: Tensor
    filters: Tensor
    shift: Tensor
    scale: Tensor

    def __init__(self, front: FrontEnd) -> None:
        """Precompute the window, the mel filters and the normalisation of ``front``."""
        super().__init__()
        self.front = front
        bank = mel_filter_bank(
            num_frequency_bins=front.n_fft // 2 + 1,
            num_mel_filters=front.n_mels,
            min_frequency=0.0,
            max_frequency=front.f_max,
            sampling_rate=front.sample_rate,
            norm="slaney",
            mel_scale=front.mel_scale,
        )
        self._constant("window", torch.hann_window(front.n_fft))
        self._constant("filters", torch.from_numpy(bank.T.copy()).float())
        self._constant("shift", torch.tensor(front.shift or (0.0,))[:, None])
        self._constant("scale", torch.tensor(front.scale or (1.0,))[:, None])

    def _constant(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    @torch.no_grad()
    def forward(self, samples: Tensor) -> Tensor:
        """``(n_clips, n_samples)`` float32 in [-1, 1] to ``(n_clips, n_mels, n_samples // hop + 1)``."""
        return (self.raw(self.leveled(samples)) - self.shift) / self.scale

    def leveled(self, samples: Tensor) -> Tensor:
        """Each clip at the front end's RMS, where it names one; same shape."""
        if self.front.level is None:
            return samples
        rms = samples.square().mean(-1, keepdim=True).sqrt()
        return samples * (self.front.level / (rms + 1e-6)).clamp_max(_MOST_GAIN)

    def raw(self, samples: Tensor) -> Tensor:
        """Log-mels before normalisation, same shapes as ``forward``."""
        short = self.front.n_fft // 2 + 1 - samples.shape[-1]
        if short > 0:  # reflection needs more samples than it adds
            samples = nn.functional.pad(samples, (0, short))
        spectrum = torch.stft(
            samples,
            self.front.n_fft,
            self.front.hop,
            window=self.window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        ).abs()
        mel: Tensor = self.filters @ spectrum.pow(self.front.power)
        return mel.clamp_min(self.front.floor).log()
