"""Where the words of a store's clips lie, so that a run can splice parts of clips into texts that nobody ever read.

What a network hears fifty times it knows by heart: in its own clips the shipped one once missed 0.1 nats a token, in
new ones 1 to 2. A text that goes on as no clip does must be heard.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from gptasr_subs.errors import ModelError, UsageError
from gptasr_subs.model.alignment import align_words, spellable_words
from gptasr_subs.model.checkpoint import Checkpoint
from gptasr_subs.storage.files import write_atomically
from gptasr_subs.training.corpora import MelStore, normalised
from gptasr_subs.types import FloatArray

_FILE = "words.jsonl"  # a line a clip: the frames between its words, the first and the last one too; or nothing
_AT_ONCE = 16  # clips
_LEAST_SURE = 0.5  # mean posterior of a clip's letters; under it the text is hardly what is said

Edges = NDArray[np.int64]


class Cuts:
    """What ``find_words`` wrote beside a store. Clips that are not to be cut have no words and no edges."""

    def __init__(self, store: MelStore) -> None:
        """Raises ``UsageError`` where it is not there for all clips."""
        lines = _whole_lines(store)
        if len(lines) < len(store):
            command = f"gptasr-subs-train place {store.folder}"
            raise UsageError(f"Nobody knows where the words in {store.folder} lie; find them with: {command}")
        self._store = store
        self._edges = [np.array(json.loads(line), np.int64) for line in lines]

    def edges(self, index: int) -> Edges:
        """The frames between the words of one clip, (words + 1,)."""
        return self._edges[index]

    def texts(self, index: int) -> list[str]:
        """The words of one clip."""
        return spellable_words(self._store.text(index)) if len(self._edges[index]) else []

    def seconds(self) -> list[NDArray[np.float64]]:
        """The edges of every clip in seconds."""
        return [edges / self._store.front.frames_per_second for edges in self._edges]


def find_words(store: MelStore, checkpoint: Checkpoint) -> Iterator[int]:
    """Write where the words of ``store`` lie, or go on with it; yield how many of its clips are done.

    Raises ``ModelError`` where the checkpoint has no CTC head, or another front end than the store.
    """
    if checkpoint.model.ctc_head is None or checkpoint.config.front_end.plain != store.front.plain:
        raise ModelError(f"The model {checkpoint.name!r} has no CTC head, or is not made for what the store holds.")
    path, done = store.folder / _FILE, _whole_lines(store)
    write_atomically(path, "".join(done))
    for first in range(len(done), len(store), _AT_ONCE):
        chosen = range(first, min(first + _AT_ONCE, len(store)))
        edges = [
            _edges(store, *heard, checkpoint) for heard in zip(chosen, _heard(store, chosen, checkpoint), strict=True)
        ]
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(one) + "\n" for one in edges)
        yield chosen.stop


def _whole_lines(store: MelStore) -> list[str]:
    """Without the one that a kill broke off."""
    path = store.folder / _FILE
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [line for line in lines if line.endswith("\n")]


@torch.inference_mode()
def _heard(store: MelStore, chosen: range, checkpoint: Checkpoint) -> list[FloatArray]:
    """What the CTC head hears in each clip, (T, C)."""
    front, network = checkpoint.config.front_end, checkpoint.model
    mels = [torch.from_numpy(normalised(store.mel(index), front)) for index in chosen]
    lengths = torch.tensor([len(mel) for mel in mels])
    encoded = network.encode(pad_sequence(mels, batch_first=True).transpose(1, 2), lengths)
    assert network.ctc_head is not None and encoded.lengths is not None
    frames = (encoded.lengths * checkpoint.config.ctc_frames).tolist()
    return [clip[:size].numpy() for clip, size in zip(network.ctc_head(encoded.features), frames, strict=True)]


def _edges(store: MelStore, index: int, log_probs: FloatArray, checkpoint: Checkpoint) -> list[int]:
    """The frames between the words of one clip, each in the middle between the end of one and the start of the next."""
    frames, config = store.place(index)[1], checkpoint.config
    words = align_words(
        store.text(index),
        log_probs,
        config.seconds_per_ctc_frame,
        seconds=frames / config.front_end.frames_per_second,
        start_offset=checkpoint.start_offset,
        end_offset=checkpoint.end_offset,
    )
    if not words or np.mean([word.confidence for word in words]) < _LEAST_SURE:
        return []
    middles = [(word.end + following.start) / 2 for word, following in pairwise(words)]
    return [0, *(round(middle * config.front_end.frames_per_second) for middle in middles), frames]
