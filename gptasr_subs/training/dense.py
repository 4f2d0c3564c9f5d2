"""Dense targets: what another encoder, trained on far more speech, hears in the clips of a store.

The mel encoder learns to predict these features beside the text, from a degraded copy of the sound of which the other
encoder heard the clean one. They are kept beside the log-mels as ``dense.f16`` with a row for every ``FRAMES_A_ROW``
frames of a clip; a row of zeros says that nothing is known. Only training knows of them, no checkpoint does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from gptasr_subs.errors import UsageError
from gptasr_subs.storage.files import write_atomically
from gptasr_subs.training.corpora import MelStore, read_samples
from gptasr_subs.types import FloatArray

FRAMES_A_ROW = 4  # mel frames: two rows for each mel position of generation 2
DIMENSIONS = 128  # of the features' principal components that are kept

Rows = NDArray[np.float16]
Indices = NDArray[np.int64]

_FILE, _BASIS_FILE, _DONE_FILE = "dense.f16", "dense.npz", "dense.json"
_CENTRE = 1  # frame of a row's four whose time it is; that of a mel position's eight too
_BASIS_CLIPS = 300  # from which the principal components are found
_NO_ROWS: Rows = np.zeros(0, np.float16)
_PAUSE = 0.2  # seconds between the clips that share a window
_SMOOTHED = 3  # features that are averaged around a row's time: as much time as the row covers


class Encoder(Protocol):
    """Hears up to ``seconds`` of mono sound at ``sample_rate`` Hz."""

    sample_rate: int
    seconds: float
    features_per_second: float

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Features (n, width) of ``samples``, the first at its beginning."""


class WhisperEncoder:
    """The encoder of a Whisper model in the format of faster-whisper."""

    sample_rate, seconds, features_per_second = 16000, 29.0, 50.0

    def __init__(self, model: str) -> None:
        """``model`` is a folder, or a name that faster-whisper knows. Raises ``UsageError``."""
        try:
            from faster_whisper import WhisperModel

            self._model = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=1)
        except (ImportError, RuntimeError, ValueError, OSError) as error:
            advice = "pip install faster-whisper, and give the folder of a model"
            raise UsageError(f"The Whisper model {model!r} cannot be loaded ({error}); {advice}.") from error

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Features (n, width) of ``samples``, the first at its beginning."""
        mel = self._model.feature_extractor(samples, padding=0)
        size = 3000  # frames that the encoder always reads
        padded = np.pad(mel[:, :size], ((0, 0), (0, max(0, size - mel.shape[1]))), constant_values=mel.min())
        encoded: FloatArray = np.asarray(self._model.encode(padded.astype(np.float32)), dtype=np.float32)[0]
        return encoded[: mel.shape[1] // 2]


@dataclass(frozen=True, slots=True)
class Basis:
    """Turns features of a window (n, width) into rows (n, dimensions) of mean 0 and, taken together, variance 1.

    ``means`` (positions, width) holds the mean feature at each place of a window: encoders with absolute positions mix
    these into what they hear (two fifths of Whisper's variance), and nobody could predict them from the sound.
    """

    means: FloatArray
    axes: FloatArray

    def __call__(self, features: FloatArray) -> FloatArray:
        """Coordinates of the features of a whole window, from its beginning."""
        coordinates: FloatArray = np.matmul(features - self._means(len(features)), self.axes, dtype=np.float32)
        return coordinates

    def _means(self, size: int) -> FloatArray:
        return self.means[np.minimum(np.arange(size), len(self.means) - 1)]


def find_basis(windows: Sequence[FloatArray], dimensions: int = DIMENSIONS) -> Basis:
    """Means by position, and at most so many principal components, of the features (n, width) of ``windows``."""
    size = max(map(len, windows))
    stacked = np.stack([np.pad(w, ((0, size - len(w)), (0, 0)), constant_values=np.nan) for w in windows])
    means = _means_by_position(stacked)
    centred = (stacked - means).reshape(-1, stacked.shape[-1])
    centred = centred[np.isfinite(centred[:, 0])]
    spread, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    chosen = np.argsort(spread)[::-1][:dimensions]
    return Basis(means, (axes[:, chosen] / np.sqrt(spread[chosen].mean())).astype(np.float32))


def _means_by_position(stacked: FloatArray) -> FloatArray:
    """Means (positions, width) over the windows of ``stacked`` (windows, positions, width), NaN where they have ended.

    A few windows differ from place to place by chance: so much of it as chance would make is not believed.
    """
    overall: FloatArray = np.nanmean(stacked, (0, 1))
    by_position = np.nanmean(stacked, 0)
    if len(stacked) == 1:  # all of it could be chance
        return overall[None]
    chance = np.nanvar(stacked, 0).mean(0) / (len(stacked) - 1)
    trust = np.clip(1 - chance / np.maximum(by_position.var(0), 1e-9), 0, 1)
    means: FloatArray = (overall + trust * (by_position - overall)).astype(np.float32)
    return means


class DenseTargets:
    """The rows of a store, mapped from its folder; without a file there are none, and ``dimensions`` is 0."""

    def __init__(self, store: MelStore, writable: bool = False) -> None:
        """Nothing is read yet."""
        file = store.folder / _FILE
        self._starts = np.cumsum([0, *_row_counts(store)])
        self._rows: Rows = np.memmap(file, np.float16, "r+" if writable else "r") if file.exists() else _NO_ROWS
        self._rows = self._rows.reshape(self._starts[-1], -1)

    @property
    def dimensions(self) -> int:
        """Numbers in a row."""
        return int(self._rows.shape[1])

    def numbers(self, index: int, frames: int) -> Indices:
        """Of the row that each of the ``frames`` of a clip belongs to."""
        first: int = self._starts[index]
        return first + np.arange(frames) // FRAMES_A_ROW

    def at(self, numbers: Indices) -> Rows:
        """Rows (n, dimensions) by their ``numbers`` (n,); zeros for negative ones."""
        return np.where(numbers[:, None] < 0, np.float16(0), self._rows[numbers])

    def put(self, index: int, rows: FloatArray) -> None:
        """All rows of one clip."""
        self._rows[self._starts[index] : self._starts[index + 1]] = rows

    def times(self, index: int, frames_per_second: float) -> NDArray[np.float64]:
        """Seconds from the beginning of a clip that its rows stand for."""
        count = self._starts[index + 1] - self._starts[index]
        return (np.arange(count) * FRAMES_A_ROW + _CENTRE) / frames_per_second


def _row_counts(store: MelStore) -> list[int]:
    return [-(-store.place(index)[1] // FRAMES_A_ROW) for index in range(len(store))]


def row_frames(frames: int) -> Indices:
    """The frames of a clip of so many that its mel positions' rows stand for, two rows a position."""
    rows = 2 * -(-frames // (2 * FRAMES_A_ROW))
    return (np.arange(rows) * FRAMES_A_ROW - FRAMES_A_ROW // 2 + _CENTRE).clip(0, frames - 1)


def hear(store: MelStore, encoder: Encoder) -> Iterator[int]:
    """Write the rows of ``store``, or go on with them; yield how many of its clips are done, window by window."""
    basis, done = _begun(store, encoder)
    targets = DenseTargets(store, writable=True)
    for indices, sounds in _windows(store, encoder, range(done, len(store))):
        window, places = _joined(sounds, encoder)
        rows = basis(_smooth(encoder(window)))
        for index, place in zip(indices, places, strict=True):
            times = place + targets.times(index, store.front.frames_per_second)
            chosen = (times * encoder.features_per_second).round().astype(int).clip(0, len(rows) - 1)
            targets.put(index, rows[chosen])
        done = indices[-1] + 1
        write_atomically(store.folder / _DONE_FILE, json.dumps({"clips": done}))
        yield done


def _begun(store: MelStore, encoder: Encoder) -> tuple[Basis, int]:
    """The basis and the clips done; where nothing is begun, the basis is found and all rows are zeros."""
    basis_file, done_file = store.folder / _BASIS_FILE, store.folder / _DONE_FILE
    if done_file.exists():
        with np.load(basis_file) as arrays:
            return Basis(arrays["means"], arrays["axes"]), json.loads(done_file.read_text())["clips"]
    chosen = sorted(np.random.default_rng(0).permutation(len(store))[:_BASIS_CLIPS].tolist())
    windows = (_joined(sounds, encoder)[0] for _, sounds in _windows(store, encoder, chosen))
    basis = find_basis([_smooth(encoder(window)) for window in windows])
    np.savez(basis_file, means=basis.means, axes=basis.axes)
    np.zeros((sum(_row_counts(store)), basis.axes.shape[1]), np.float16).tofile(store.folder / _FILE)
    write_atomically(done_file, json.dumps({"clips": 0}))
    return basis, 0


def _windows(store: MelStore, encoder: Encoder, chosen: Sequence[int]) -> Iterator[tuple[list[int], list[FloatArray]]]:
    """Neighbours among the clips ``chosen`` that fit into one window: their numbers and sounds."""
    indices: list[int] = []
    sounds: list[FloatArray] = []
    left = encoder.seconds
    clips = read_samples(map(store.clip, chosen), encoder.sample_rate)
    for index, (clip, sound) in zip(chosen, clips, strict=True):
        if indices and clip.seconds + _PAUSE > left:
            yield indices, sounds
            indices, sounds, left = [], [], encoder.seconds
        indices.append(index)
        sounds.append(sound)
        left -= clip.seconds + _PAUSE
    if indices:
        yield indices, sounds


def _joined(sounds: Sequence[FloatArray], encoder: Encoder) -> tuple[FloatArray, list[float]]:
    """One window of ``sounds`` with pauses, and the second at which each begins."""
    pause = np.zeros(round(_PAUSE * encoder.sample_rate), np.float32)
    sizes = [len(sound) + len(pause) for sound in sounds]
    starts = np.concatenate([[0], np.cumsum(sizes[:-1])]) / encoder.sample_rate
    return np.concatenate([part for sound in sounds for part in (sound, pause)]), starts.tolist()


def _smooth(features: FloatArray) -> FloatArray:
    """Each feature averaged with its neighbours, ``_SMOOTHED`` in all."""
    padded = np.pad(features, ((_SMOOTHED // 2, _SMOOTHED // 2), (0, 0)), mode="edge")
    smooth: FloatArray = np.lib.stride_tricks.sliding_window_view(padded, _SMOOTHED, axis=0).mean(-1)
    return smooth


class DenseHead(nn.Module):
    """Predicts the rows from the mel encoder's output; it is thrown away after training."""

    def __init__(self, width: int, dimensions: int) -> None:
        """Two rows for each mel position."""
        super().__init__()
        self.dimensions = dimensions
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, 2 * dimensions)

    def loss(self, features: Tensor, rows: Tensor) -> Tensor:
        """Squared error of ``features`` (B, N, D) against ``rows`` (B, 2N or more, dimensions): 1 knows nothing."""
        found = self.linear(self.norm(features)).unflatten(-1, (2, self.dimensions)).flatten(1, 2)
        size = min(found.shape[1], rows.shape[1])
        found, rows = found[:, :size].float(), rows[:, :size].float()
        known = (rows != 0).any(-1, keepdim=True)
        error: Tensor = ((found - rows).square() * known).sum() / self.dimensions
        return error / known.sum().clamp_min(1)
