"""Samples to what the encoder reads: log-mel frames, Whisper's, or the samples as they are."""

from __future__ import annotations

from dataclasses import replace
from math import log

import torch
from torch import Tensor, nn

from gptasr_subs.model.config import WHISPER_LOG_MEL, FrontEnd, MelScale
from gptasr_subs.types import FloatArray

_MAX_GAIN = 30.0  # a window of room tone must not be blown up to the level of speech


def build_front_end(front: FrontEnd) -> LogMel | WhisperLogMel | Samples:
    """Return the module that makes frames (n_clips, n_mels, n_frames) of samples (n_clips,
    n_samples).
    """
    if front.kind == "samples":
        return Samples(front)
    return WhisperLogMel(front.n_mels) if front.kind == "whisper" else LogMel(front)


def clip_frames(front_end: nn.Module, samples: FloatArray) -> Tensor:
    """Return frames (T, n_mels) that ``front_end`` makes of one clip's ``samples`` (n_samples,)."""
    frames: Tensor = front_end(torch.tensor(samples)[None])[0].T
    return frames


class Samples(nn.Module):
    """No front end: each sample is a frame of its own."""

    def __init__(self, front: FrontEnd) -> None:
        """Only the sample rate of ``front`` matters."""
        super().__init__()
        self.front = front

    def forward(self, samples: Tensor) -> Tensor:
        """Map ``(n_clips, n_samples)`` to ``(n_clips, 1, n_samples)``."""
        return samples[:, None]


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
        self._constant("window", torch.hann_window(front.n_fft))
        self._constant("filters", mel_filters(front))
        self._constant("shift", torch.tensor(front.shift or (0.0,))[:, None])
        self._constant("scale", torch.tensor(front.scale or (1.0,))[:, None])

    def _constant(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    @torch.no_grad()
    def forward(self, samples: Tensor) -> Tensor:
        """Map ``(n_clips, n_samples)`` float32 in [-1, 1] to ``(n_clips, n_mels, n_frames)``.

        There are n_samples // hop + 1 frames.
        """
        return (self.raw(self.leveled(samples)) - self.shift) / self.scale

    def leveled(self, samples: Tensor) -> Tensor:
        """Return each clip at the front end's RMS, where it names one; same shape."""
        if self.front.level is None:
            return samples
        # The small number keeps a gain for digital silence finite.
        rms = samples.square().mean(-1, keepdim=True).sqrt()
        return samples * (self.front.level / (rms + 1e-6)).clamp_max(_MAX_GAIN)

    def raw(self, samples: Tensor) -> Tensor:
        """Return log-mels before normalisation, same shapes as ``forward``."""
        spectrum = _spectrum(samples, self.front, self.window)
        mel = self.filters @ spectrum.pow(self.front.power)  # (n_clips, n_mels, n_frames)
        return mel.clamp_min(self.front.floor).log()


class WhisperLogMel(nn.Module):
    """Log-mels as Whisper reads them: 100 frames a second, within 80 dB of the clip's loudest."""

    window: Tensor
    filters: Tensor

    def __init__(self, n_mels: int = 80) -> None:
        """Precompute the window and the ``n_mels`` filters."""
        super().__init__()
        self.front = replace(WHISPER_LOG_MEL, n_mels=n_mels)
        self.register_buffer("window", torch.hann_window(self.front.n_fft), persistent=False)
        self.register_buffer("filters", mel_filters(self.front), persistent=False)

    @torch.no_grad()
    def forward(self, samples: Tensor) -> Tensor:
        """Map ``(n_clips, n_samples)`` float32 in [-1, 1] to ``(n_clips, n_mels, n_samples //
        160)``.

        Zeros after the end of a clip that is shorter than its neighbours change none of its frames.
        """
        # A second of silence follows each clip, where Whisper fills up its 30 s.
        padded = nn.functional.pad(samples, (0, self.front.sample_rate))
        frames = samples.shape[-1] // self.front.hop
        spectrum = _spectrum(padded, self.front, self.window)
        # Power, (n_clips, n_mels, n_frames), as decimal logarithm.
        mel = (self.filters @ spectrum.square()).clamp_min(1e-10).log10()
        # Nothing below 80 dB under the loudest, then to about -1 to 1.
        mel = mel.maximum(mel.amax((1, 2), keepdim=True) - 8)
        return (mel[..., :frames] + 4) / 4


def _spectrum(samples: Tensor, front: FrontEnd, window: Tensor) -> Tensor:
    """Return magnitudes (n_clips, n_fft / 2 + 1, n_samples // hop + 1)."""
    # Reflection at the edges needs more samples than it adds.
    short = front.n_fft // 2 + 1 - samples.shape[-1]
    if short > 0:
        samples = nn.functional.pad(samples, (0, short))
    return torch.stft(
        samples,
        front.n_fft,
        front.hop,
        window=window,
        center=True,
        pad_mode="reflect",
        return_complex=True,
    ).abs()


def mel_filters(front: FrontEnd) -> Tensor:
    """Return triangles over frequency that overlap by half (n_mels, n_fft / 2 + 1).

    All have the same area (Slaney's norm).
    """
    bins = torch.linspace(0, front.sample_rate / 2, front.n_fft // 2 + 1, dtype=torch.float64)
    # The triangles' edges are equally far apart in mel: each begins at its predecessor's centre.
    top = hertz_to_mel(torch.tensor(front.f_max, dtype=torch.float64), front.mel_scale)
    mels = torch.linspace(0, float(top), front.n_mels + 2, dtype=torch.float64)
    edges = mel_to_hertz(mels, front.mel_scale)
    low = edges[:-2, None]
    centre = edges[1:-1, None]
    high = edges[2:, None]
    rising = (bins - low) / (centre - low)
    falling = (high - bins) / (high - centre)
    triangles = torch.minimum(rising, falling).clamp_min(0)
    return (triangles * 2 / (high - low)).float()


# Slaney's scale is linear up to 1000 Hz (15 mel) and then grows by a factor of 6.4 every 27 mel.
_GROWTH = log(6.4) / 27


def hertz_to_mel(hertz: Tensor, scale: MelScale) -> Tensor:
    """Return frequencies (any shape) on the mel ``scale``."""
    if scale == "htk":
        return 2595 * (1 + hertz / 700).log10()
    above = 15 + (hertz / 1000).clamp_min(1).log() / _GROWTH
    return torch.where(hertz < 1000, hertz * 3 / 200, above)


def mel_to_hertz(mel: Tensor, scale: MelScale) -> Tensor:
    """Inverse of ``hertz_to_mel``."""
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    return torch.where(mel < 15, mel * 200 / 3, 1000 * ((mel - 15) * _GROWTH).exp())
