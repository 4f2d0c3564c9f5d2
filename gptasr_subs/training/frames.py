"""What a frozen encoder gives for the clips of a store: computed once, then read in every epoch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from gptasr_subs.model.config import FrontEnd
from gptasr_subs.model.encoder import MoonshineEncoder, WhisperEncoder
from gptasr_subs.model.log_mel import build_front_end, clip_frames
from gptasr_subs.model.packing import prepare_layers
from gptasr_subs.storage.files import read_text, write_atomically
from gptasr_subs.training.store import SAMPLE_RATE, AudioStore

Encoder = MoonshineEncoder | WhisperEncoder

_FRAMES_FILE = "frames.f16"
_PROGRESS_FILE = "frames.json"
_BATCH_SECONDS = 60.0
_MAX_CLIPS = 64
_SAVE_EVERY = 1000  # clips


class FrameCache:
    """Encoder frames of each clip of a store, float16, in a file that is mapped.

    ``folder`` holds ``frames.f16`` (frames, C) and ``frames.json``, which says whose they are and
    how far they go.
    """

    def __init__(self, folder: Path, store: AudioStore, front: FrontEnd, encoder: Encoder) -> None:
        """Open what is there, or make room; what other weights or another store gave is dropped."""
        self.store = store
        lengths = torch.tensor([store.length(index) // front.hop for index in range(len(store))])
        # clip i has the rows from edge i to edge i + 1
        self._edges = np.cumsum([0, *encoder.frames(lengths).tolist()])
        self._progress = folder / _PROGRESS_FILE
        self._key = {
            "weights": weights_hash(encoder),
            "clips": len(store),
            "frames": int(self._edges[-1]),
        }
        self.done = 0
        if self._progress.exists():
            state = json.loads(read_text(self._progress))
            done = int(state.pop("done"))
            self.done = done if state == self._key else 0
        file = folder / _FRAMES_FILE
        shape = (int(self._edges[-1]), encoder.config.width)
        folder.mkdir(parents=True, exist_ok=True)
        if not self.done:
            np.memmap(file, dtype=np.float16, mode="w+", shape=shape).flush()
        self._frames = np.memmap(file, dtype=np.float16, mode="r+", shape=shape)

    def frames(self, index: int) -> Tensor:
        """Return frames (T, C) of one clip."""
        return torch.from_numpy(
            self._frames[self._edges[index] : self._edges[index + 1]].astype(np.float32)
        )

    def fill(
        self,
        encoder: Encoder,
        front: FrontEnd,
        *,
        bf16: bool,
        on_progress: Callable[[int, int], None],
    ) -> None:
        """Compute what is missing; ``on_progress`` gets the number of clips done and of all.

        ``bf16`` multiplies in bfloat16: 1.7 times as fast, and 0.8 % off (relative RMS).
        """
        front_end = build_front_end(front)
        device = next(encoder.parameters()).device
        if bf16 and device.type == "cpu":
            encoder = deepcopy(encoder).requires_grad_(False)
            prepare_layers(encoder, torch.bfloat16)
            bf16 = False  # what is left is done in float32, as in recognition
        # From short to long, so that a batch is hardly padded; ``done`` counts along this order.
        order = sorted(range(len(self.store)), key=self.store.length)
        for batch in self._batches(order):
            inputs = [clip_frames(front_end, self.store.samples(index)) for index in batch]
            lengths = torch.tensor([len(one) for one in inputs])
            padded = pad_sequence(inputs, batch_first=True).transpose(1, 2).to(device)
            with (
                torch.inference_mode(),
                torch.autocast(device.type, torch.bfloat16, enabled=bf16),
            ):
                frames, _ = encoder(padded, lengths.to(device))
            for row, index in enumerate(batch):
                first, last = self._edges[index], self._edges[index + 1]
                self._frames[first:last] = frames[row, : last - first].half().cpu().numpy()
            before = self.done
            self.done += len(batch)
            on_progress(self.done, len(order))
            if self.done // _SAVE_EVERY > before // _SAVE_EVERY or self.done == len(order):
                self._frames.flush()  # before the file that says so
                write_atomically(self._progress, json.dumps({**self._key, "done": self.done}))

    def _batches(self, order: list[int]) -> Iterator[list[int]]:
        """Cut what is left of ``order``, sorted by length, into batches of like length."""
        batch: list[int] = []
        for index in order[self.done :]:
            full = self.store.length(index) * (len(batch) + 1) > _BATCH_SECONDS * SAMPLE_RATE
            if batch and (full or len(batch) == _MAX_CLIPS):
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch


def weights_hash(network: nn.Module) -> str:
    """Return the SHA-256 over the names and values of all weights of ``network``."""
    digest = sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
